"""
A cluster of its own, made to be killed.

Nothing here kills a machine: what a process has written is the operating system's, and stays there when the process is
killed, with or without fsync. So fsync is off. What a commit must write before it is acknowledged is as ever.
"""
import os
import signal
import subprocess
import tempfile
import time

import psycopg2

SETTINGS = """
listen_addresses = ''
fsync = off
restart_after_crash = on
max_connections = 40
shared_buffers = 32MB
min_wal_size = 8MB
max_wal_size = 64MB
checkpoint_timeout = 30s
autovacuum_naptime = 2s
autovacuum_vacuum_threshold = 200
autovacuum_vacuum_scale_factor = 0.05
log_min_messages = warning
log_min_error_statement = panic
log_line_prefix = '%m [%p] '
timezone = 'UTC'
recall.chunk_size = 20
"""


def parent(pid):
	"""The parent of a process; none when it has ended, also when nobody has noticed yet."""
	try:
		with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
			state, its_parent = file.read().rsplit(')', 1)[1].split()[:2]
	except (FileNotFoundError, ProcessLookupError):
		return None
	return None if state in 'ZX' else int(its_parent)


class Server:
	def __init__(self, folder, settings=''):
		self.data = os.path.join(folder, 'cluster')
		self.log = os.path.join(folder, 'server.log')
		self.socket = tempfile.mkdtemp(prefix='recall-')  # its path has to be short
		# Small segments of the log, so that a limit on the size of files meets them as well.
		self.command('initdb', '-D', self.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N',
			'--wal-segsize=1')
		with open(os.path.join(self.data, 'postgresql.conf'), 'a', encoding='utf-8') as file:
			file.write(f"{SETTINGS}unix_socket_directories = '{self.socket}'\n{settings}")
		self.start()

	def command(self, *words, check=True):
		"""Run one of PostgreSQL's programs."""
		done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
			env={**os.environ, 'PGHOST': self.socket, 'PGUSER': 'postgres'}, check=False)
		if check and done.returncode != 0:
			raise RuntimeError(f"{' '.join(words)}: {done.stdout}")
		return done

	def start(self):
		"""Start it; what a killed postmaster left behind may be in the way for a moment."""
		with open(os.devnull, 'w', encoding='utf-8') as nothing:
			for _ in range(100):
				started = subprocess.run(['pg_ctl', 'start', '-s', '-w', '-t', '60', '-D', self.data, '-l', self.log],
					stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing, check=False)
				if started.returncode == 0:
					break
				time.sleep(0.1)
		self.wait_until_ready()

	def stop(self, mode):
		self.command('pg_ctl', 'stop', '-s', '-w', '-m', mode, '-D', self.data)

	def connect(self, database='postgres', **options):
		connection = psycopg2.connect(host=self.socket, user='postgres', dbname=database, connect_timeout=60, **options)
		connection.autocommit = True
		return connection

	def ask(self, database, query, values=None):
		connection = self.connect(database)
		try:
			with connection.cursor() as cursor:
				cursor.execute(query, values)
				return cursor.fetchall() if cursor.description else []
		finally:
			connection.close()

	def wait_until_ready(self):
		for _ in range(600):
			try:
				self.ask('postgres', 'SELECT 1')
				return
			except psycopg2.Error:
				time.sleep(0.1)
		raise RuntimeError('the server does not come back')

	def postmaster(self):
		"""Its process, or none when it is gone."""
		try:
			with open(os.path.join(self.data, 'postmaster.pid'), encoding='utf-8') as file:
				pid = int(file.readline())
		except (FileNotFoundError, ValueError):
			return None
		return pid if parent(pid) is not None else None

	def children(self):
		"""The processes of the server but the first."""
		postmaster = self.postmaster()
		return [int(name) for name in os.listdir('/proc') if name.isdigit() and postmaster and parent(int(name)) == postmaster]

	def kill_postmaster(self):
		"""Kill the first process; the others notice, and end."""
		children = self.children()
		os.kill(self.postmaster(), signal.SIGKILL)
		while any(parent(child) is not None for child in children):
			time.sleep(0.02)

	def wait_until_recovered(self):
		"""Wait until it has come back, or bring it back when it is gone."""
		time.sleep(0.05)
		if not self.postmaster():
			self.start()
		for _ in range(100):
			try:
				self.wait_until_ready()
				return
			except RuntimeError:
				if not self.postmaster():
					self.start()
		raise RuntimeError('the server does not recover')
