#!/usr/bin/python3
"""
Dialing that is disturbed at random: that it loses no call and doubles none.

	kills.py [--kills N] [--minutes M] [--seed SEED] [--clients N] [--only KIND] [--folder FOLDER] [--plant] [--tell-disk]

Several clients and the processor are at work. Again and again one of the disturbances below comes, the server recovers, and
in a moment of rest it is looked at: recall.verify() finds nothing, pg_amcheck finds nothing, indexes and tables
agree, and the tables agree with what the clients noted (accounts.py). After some disturbances the database is brought to an
end: reports whose answer was lost are sent again, what is out is settled, the processor runs out of work, and all is looked at
once more; then a new one is made.

A run ends after N disturbances or M minutes. One with the same seed disturbs in the same way, as far as that is in its hands.
What is known of a failure is written to FOLDER, and the status is 1. The server's programs are found in the PATH. --plant
lets the server acknowledge what it has not written, and a call is the last thing that it acknowledges before each disturbance:
that must be found, or else the harness finds nothing. --tell-disk only tells, by the status, whether a file system can be
filled.
"""
import argparse
import collections
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import psycopg2

from accounts import Accounts, reports_of
from load import LONGEST_LEASE, TENANTS, Load
from server import Server

KILLS_OF_A_DATABASE = 20
DISK = 512  # megabytes of the file system that is to become full
MAX_FAILED = 3


class Disturber:
	"""The ways to disturb, each a method whose first line says what happens."""

	def __init__(self, load, choose, is_small):
		self.load, self.server, self.choose, self.is_small = load, load.server, choose, is_small

	def backends(self):
		"""The processes of the clients that are connected, the processor's last."""
		return [client.pid for client in self.load.clients if client.pid]

	def backend(self):
		"""One of them, or any process of the server when there is none."""
		return self.choose.choice(self.backends() or self.server.children())

	def worker(self):
		return self.load.clients[-1].pid or self.backend()

	def pause(self, longest):
		time.sleep(self.choose.random() * longest)

	def kill(self, pid, with_signal=signal.SIGKILL):
		try:
			os.kill(pid, with_signal)
		except ProcessLookupError:
			pass

	def ask(self, query, *values):
		try:
			self.server.ask('postgres', query, values)
		except psycopg2.Error:
			pass

	def backend_killed(self):
		"""kill -9 of a client's backend: all others go with it, and the server recovers."""
		self.kill(self.backend())

	def worker_killed(self):
		"""The same, of the backend in which the processor runs."""
		self.kill(self.worker())

	def other_killed(self):
		"""kill -9 of any process of the server: checkpointer, writers, autovacuum, statistics, clients."""
		self.kill(self.choose.choice(self.server.children()))

	def postmaster_killed(self):
		"""kill -9 of the postmaster."""
		self.server.kill_postmaster()

	def stopped_immediately(self):
		"""An immediate stop: as a crash."""
		self.server.stop('immediate')

	def stopped_fast(self):
		"""A fast stop: every transaction is undone."""
		self.server.stop('fast')

	def backends_terminated(self):
		"""pg_terminate_backend() of some clients."""
		for _ in range(self.choose.randint(1, 4)):
			self.ask('SELECT pg_terminate_backend(%s)', self.backend())
			self.pause(0.05)

	def worker_terminated(self):
		"""The same, of the processor."""
		self.ask('SELECT pg_terminate_backend(%s)', self.worker())

	def statements_cancelled(self):
		"""pg_cancel_backend() of clients, many times."""
		for _ in range(30):
			self.ask('SELECT pg_cancel_backend(%s)', self.backend())
			self.pause(0.02)

	def statements_timed_out(self):
		"""A statement_timeout of a few milliseconds for everybody."""
		self.load.statement_timeout = self.choose.randint(1, 12)
		time.sleep(0.5)
		self.load.statement_timeout = 0

	def connections_cut(self):
		"""The network goes: what was asked for may be done, and no answer comes."""
		for client in self.choose.sample(self.load.clients, 3):
			connection = client.connection
			try:
				with socket.socket(fileno=os.dup(connection.fileno())) as cut:
					cut.shutdown(socket.SHUT_RDWR)
			except (AttributeError, OSError, psycopg2.Error):
				pass
			self.pause(0.05)

	def backend_frozen(self):
		"""A backend stands still, with its locks, for longer than some leases."""
		pid = self.backend()
		self.kill(pid, signal.SIGSTOP)
		time.sleep(self.choose.random() * 2)
		self.kill(pid, signal.SIGCONT)

	def limit(self, kind, of_process):
		"""Limit all clients' processes for a moment, each to what a function says."""
		limited = []
		for pid in self.backends():
			try:
				_, hard = resource.prlimit(pid, kind)
				resource.prlimit(pid, kind, (of_process(pid), hard))
				limited.append((pid, hard))
			except (ProcessLookupError, FileNotFoundError, PermissionError):
				pass
		time.sleep(0.2 + self.choose.random() * 0.6)
		for pid, hard in limited:
			try:
				resource.prlimit(pid, kind, (hard, hard))
			except (ProcessLookupError, PermissionError):
				pass

	def files_limited(self):
		"""No file may grow beyond a size: tables and indexes cannot be extended, or the log cannot be written."""
		size = self.choose.choice([1 << 20, 1 << 20, 1 << 20, 1 << 18]) # segments of the log have a megabyte
		self.limit(resource.RLIMIT_FSIZE, lambda pid: size)

	def memory_limited(self):
		"""The clients' processes get hardly any memory more than they have."""
		def of_process(pid):
			with open(f'/proc/{pid}/statm', encoding='utf-8') as file:
				return int(file.read().split()[0]) * resource.getpagesize() + self.choose.randint(0, 1 << 20)
		self.limit(resource.RLIMIT_AS, of_process)

	def disk_filled(self):
		"""The file system of the cluster is full for a second or two."""
		ballast = os.path.join(os.path.dirname(self.server.data), 'ballast')
		free = os.statvfs(self.server.data)
		size = free.f_bavail * free.f_bsize - self.choose.randint(0, 1 << 20)
		with open(ballast, 'wb') as file:
			try:
				os.posix_fallocate(file.fileno(), 0, max(size, 1))
			except OSError:
				pass
			time.sleep(1 + self.choose.random())
		os.unlink(ballast)

	def kinds(self):
		"""All ways, by name. A file system that cannot be filled without harm is not."""
		return [name for name, way in vars(Disturber).items() if getattr(way, '__doc__', None) and name.rpartition('_')[2] in (
			'killed', 'immediately', 'fast', 'terminated', 'cancelled', 'out', 'cut', 'frozen', 'limited', 'filled')
			and (name != 'disk_filled' or self.is_small)]


class Run:
	def __init__(self, options):
		self.options = options
		self.is_small = options.folder_is_small
		self.server = Server(options.cluster, 'synchronous_commit = off\nwal_writer_delay = 10s\n' if options.plant else '')
		self.kills = collections.Counter()
		self.answers = collections.Counter()
		self.errors = collections.Counter()
		self.resent = collections.Counter()
		self.failed = self.looks = self.restored = 0

	def all(self):
		database = 0
		while self.goes_on() and self.failed < MAX_FAILED:
			database += 1
			self.play(f'kills_{database}', random.Random(f'{self.options.seed} {database}'))

	def goes_on(self):
		return sum(self.kills.values()) < self.options.kills and time.time() < self.options.until

	def play(self, name, choose):
		"""One database, until it is brought to its end, or something is wrong."""
		load = Load(self.server, name, self.options.clients, f'{self.options.seed} {name}')
		disturber = Disturber(load, choose, self.is_small)
		kinds = [self.options.only] if self.options.only else disturber.kinds()
		choose.shuffle(kinds)
		last = 'nothing'
		try:
			for nth in range(KILLS_OF_A_DATABASE):
				if not self.goes_on():
					break
				last = kinds[nth % len(kinds)]
				load.go_on()
				disturber.pause(0.6)
				if self.options.plant:
					load.record_last()
				getattr(disturber, last)()
				self.kills[last] += 1
				self.server.wait_until_recovered()
				disturber.pause(0.3)
				load.pause()
				if not self.is_right(load, last):
					return
				if nth % 10 == 5:
					self.restore(load)
			load.end()
			self.bring_to_end(load)
			self.is_right(load, 'the end')
		except Exception as error:
			self.keep(load, last, [f'the run broke: {error!r}'])
			raise
		finally:
			load.end()
			self.answers.update((what['kind'], what['answer']) for what in load.noted)
			self.errors.update(what['sqlstate'] or 'none' for what in load.noted if 'sqlstate' in what)
		self.server.ask('postgres', f'DROP DATABASE {name} WITH (FORCE)')

	def is_right(self, load, after):
		"""Look at everything; keep what is wrong, and tell whether nothing is."""
		self.looks += 1
		wrong = [' | '.join(map(str, row)) for row in self.server.ask(load.database, 'SELECT * FROM recall.verify()')]
		wrong += Accounts(load).check()
		wrong += self.wrong_indexes(load)
		wrong += load.unexpected
		if wrong:
			self.keep(load, after, wrong)
		elif self.options.progress and self.looks % 50 == 0:
			print(f'{sum(self.kills.values())} disturbances, {self.failed} failures', flush=True)
		return not wrong

	def wrong_indexes(self, load):
		"""What pg_amcheck says, and of the one index that it does not know: whom it does not find."""
		done = self.server.command('pg_amcheck', '-d', load.database, '-s', 'recall', '--heapallindexed', check=False)
		wrong = [done.stdout] if done.returncode != 0 else []
		for row in self.server.ask(load.database, """
			SET enable_seqscan = off;
			SELECT c.tenant_id, c.contact_id FROM recall.contact c CROSS JOIN unnest(c.numbers) number
			WHERE NOT EXISTS (SELECT FROM (SELECT o.tenant_id, o.contact_id FROM recall.contact o
				WHERE recall._number_keys(o.tenant_id, o.numbers) @> recall._number_keys(c.tenant_id, ARRAY[number]) OFFSET 0) o
				WHERE o.tenant_id = c.tenant_id AND o.contact_id = c.contact_id)"""):
			wrong.append(f'the index of numbers has not {row}')
		return wrong

	def restore(self, load):
		"""Dump the database while it is at work; what is restored of it has no fault either."""
		dump = os.path.join(self.options.cluster, 'dump')
		load.go_on()
		self.server.command('pg_dump', '-Fc', '-d', load.database, '-f', dump)
		load.pause()
		self.server.ask('postgres', 'CREATE DATABASE restored TEMPLATE template0')
		self.server.command('pg_restore', '-e', '-d', 'restored', dump)
		wrong = self.server.ask('restored', 'SELECT * FROM recall.verify()')
		self.server.ask('postgres', 'DROP DATABASE restored')
		os.unlink(dump)
		self.restored += 1
		if wrong:
			raise RuntimeError(f'restored: {wrong}')

	def bring_to_end(self, load):
		"""Send again what was not answered, settle what is out, and let the processor finish."""
		def note(kind, statement, values, **what):
			what.update(kind=kind, answer='ok', rows=self.server.ask(load.database, statement, values))
			load.noted.append(what)
			return what

		answers = collections.defaultdict(list)
		for report in reports_of(load.noted):
			answers[report['code']].append(report)
		for sent in answers.values():
			if all(report['answer'] == 'doubt' for report in sent):
				report = sent[0]
				again = note('report', 'SELECT recall.report(%s, %s, %s, %s, %s, %s, %s, %s)',
					[report['tenant'], report['contact'], report['token'], *report['outcome']],
					**{key: report[key] for key in ('tenant', 'contact', 'token', 'outcome', 'code')})
				self.resent[again['rows'][0][0]] += 1
		time.sleep(LONGEST_LEASE)
		self.server.ask(load.database, 'CALL recall.process()')
		for tenant, contact in self.server.ask(load.database, "SELECT tenant_id, contact_id FROM recall.permit WHERE state = 'unknown'"):
			note('resolve', 'SELECT recall.resolve(%s, %s, %s, NULL)', [tenant, contact, 'no_answer'], tenant=tenant, contact=contact)
		for tenant in range(1, TENANTS + 1):
			for recycle, in self.server.ask(load.database, "SELECT recycle_id FROM recall.recycle WHERE tenant_id = %s AND state IN ('paused', 'failed')", [tenant]):
				self.server.ask(load.database, 'SELECT recall.cancel_recycle(%s, %s)', [tenant, recycle])
				load.noted.append(dict(kind='cancel_recycle', answer='ok', tenant=tenant, recycle=recycle, rows=[]))
		self.server.ask(load.database, 'CALL recall.process()')
		left = self.server.ask(load.database, """SELECT 'permit', tenant_id, contact_id FROM recall.dial WHERE state <> 'ready'
			UNION ALL SELECT 'record', tenant_id, recycle_id FROM recall.recycle WHERE state NOT IN ('completed', 'cancelled')""")
		if left:
			raise RuntimeError(f'this is left in the end: {left}')

	def keep(self, load, after, wrong):
		"""Say what is wrong, and write what is known of it."""
		self.failed += 1
		number = sum(self.kills.values())
		print(f'seed {self.options.seed}, disturbance {number}, {after}:', *wrong[:10], sep='\n\t', flush=True)
		path = os.path.join(self.options.folder, f'{self.options.seed}-{number}.txt')
		with open(path, 'w', encoding='utf-8') as file:
			print(f'after {after}', *wrong, '', 'notes:', *load.noted, sep='\n', file=file)
		shutil.copy(self.server.log, os.path.join(self.options.folder, f'{self.options.seed}-{number}.log'))

	def tell(self, began):
		for kind, times in sorted(self.kills.items()):
			print(f'kill {kind} {times}')
		for (kind, answer), times in sorted(self.answers.items()):
			print(f'answer {kind} {answer} {times}')
		for sqlstate, times in sorted(self.errors.items()):
			print(f'sqlstate {sqlstate} {times}')
		for outcome, times in sorted(self.resent.items()):
			print(f'sent again {outcome} {times}')
		print(f"{sum(self.kills.values())} disturbances from seed {self.options.seed} on, {self.options.clients} clients, "
			f"{sum(self.answers.values())} operations, {sum(times for (_, answer), times in self.answers.items() if answer == 'doubt')} "
			f'unanswered, {self.looks} looks, {self.restored} restores, {time.time() - began:.0f} s, {self.failed} failures')


def small_file_system(folder):
	"""Become a process that has a small file system of its own at a folder, where the system lets users mount; tell whether it is one."""
	if os.path.ismount(folder):
		return True
	alone = ['unshare', '--user', '--mount', '--map-current-user', '--keep-caps', 'sh', '-c',
		f'mount -t tmpfs -o size={DISK}m,mode=0700 recall "$0" && exec "$@"', folder]
	if subprocess.run([*alone, 'true'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
		os.execvp(alone[0], [*alone, 'setpriv', '--ambient-caps=-all', '--inh-caps=-all', sys.executable, *sys.argv])
	return False


def main():
	parser = argparse.ArgumentParser(description='Dialing that is disturbed at random.')
	parser.add_argument('--kills', type=int, default=100)
	parser.add_argument('--minutes', type=float, default=1e9)
	parser.add_argument('--seed', type=int, default=1)
	parser.add_argument('--clients', type=int, default=6)
	parser.add_argument('--only')
	parser.add_argument('--folder', default='.')
	parser.add_argument('--plant', action='store_true')
	parser.add_argument('--tell-disk', action='store_true')
	parser.add_argument('--progress', action='store_true')
	options = parser.parse_args()
	options.until = time.time() + 60 * options.minutes
	options.cluster = os.path.join(options.folder, 'server')
	os.makedirs(options.cluster, exist_ok=True)
	options.folder_is_small = small_file_system(options.cluster)
	if options.tell_disk:
		return 0 if options.folder_is_small else 1
	began = time.time()
	signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) # not without stopping the server
	run = Run(options)
	try:
		run.all()
		run.tell(began)
	finally:
		run.server.command('pg_ctl', 'stop', '-s', '-m', 'immediate', '-D', run.server.data, check=False)
		shutil.rmtree(run.server.socket, ignore_errors=True)
	return 1 if run.failed else 0


if __name__ == '__main__':
	sys.exit(main())
