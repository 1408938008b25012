"""server.py: a server of its own for each of those who try mutants, and the tests that are run on it."""
import collections
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

# What each kind of tests is run in.
DATABASES = {'sql': 'mutate_sql', 'specs': 'mutate_specs', 'pgtap': 'mutate_pgtap'}
FIRST_PORT = 5432


class Server:
    """A cluster, with a library of its own: its sessions find recall in the server's folder first."""

    def __init__(self, number, folder):
        self.folder = os.path.join(folder, 'server%d' % number)
        self.library = os.path.join(self.folder, 'lib')
        self.counts = os.path.join(self.folder, 'counts')
        self.cluster = os.path.join(self.folder, 'cluster')
        self.environment = dict(
            os.environ, PGPORT=str(FIRST_PORT + 1 + number), PGAPPNAME='mutate', PGTZ='UTC', PGISOLATIONTIMEOUT='60',
            GCOV_PREFIX=self.counts, GCOV_PREFIX_STRIP='99',
            PGOPTIONS='-c client_min_messages=warning -c jit=off -c statement_timeout=300s')
        self.spoilt = set(DATABASES.values())
        os.makedirs(self.library)
        os.makedirs(self.counts)

    def start(self, template):
        """Begin as a copy of a cluster that was stopped."""
        subprocess.check_call(['cp', '-a', template, self.cluster])
        with open(os.path.join(self.cluster, 'postgresql.conf'), 'a') as settings:
            settings.write("port = %s\ncron.host = ''\ncron.database_name = '%s'\nautovacuum_naptime = '10min'\ndynamic_library_path = '%s:$libdir'\n"
                           % (self.environment['PGPORT'], DATABASES['pgtap'], self.library))
        subprocess.check_call(['pg_ctl', 'start', '--silent', '--pgdata', self.cluster, '--log', self.cluster + '.log'], env=self.environment)
        self.roles = self.sql('postgres', 'SELECT rolname FROM pg_roles').stdout.split('\n')

    def stop(self):
        subprocess.call(['pg_ctl', 'stop', '--silent', '--mode', 'immediate', '--pgdata', self.cluster], env=self.environment)

    def install(self, library):
        """Put a library in the place of the one before, which running sessions keep."""
        place = os.path.join(self.library, 'recall.so')
        with open(library, 'rb') as made, open(place + '.new', 'wb') as copy:
            copy.write(made.read())
        os.rename(place + '.new', place)

    def sql(self, database, *statements):
        command = ['psql', '-X', '-q', '-A', '-t', '-d', database, '-v', 'ON_ERROR_STOP=1']
        for statement in statements:
            command += ['-c', statement]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, stdin=subprocess.DEVNULL,
                              env=self.environment)

    def wait(self):
        """Let the server come back after a process of it has died."""
        for attempt in range(600):
            if self.sql('postgres', 'SELECT 1').returncode == 0:
                return
            time.sleep(0.1)
        sys.exit('the server is gone')

    def sessions(self):
        """The processes of the tests' sessions."""
        found = []
        with open(os.path.join(self.cluster, 'postmaster.pid')) as file:
            postmaster = file.readline().strip()
        try:
            with open('/proc/%s/task/%s/children' % (postmaster, postmaster)) as file:
                children = file.read().split()
        except OSError:
            return found
        for pid in children:
            try:
                with open('/proc/%s/cmdline' % pid) as file:
                    # A worker's name has no database.
                    if re.search(r'postgres postgres mutate_|postgres: \w+ mutate_', file.read()):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def end_sessions(self):
        """End what still runs, which may be an endless loop."""
        for sent in [signal.SIGTERM] * 20 + [signal.SIGKILL] * 20:
            left = self.sessions()
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, sent)
                except OSError:
                    pass
            time.sleep(0.1)
        self.wait()

    def await_sessions(self):
        """Wait until those that were left are over, and have written what they counted."""
        for attempt in range(200):
            if not self.sessions():
                return
            time.sleep(0.02)

    def clean(self):
        """Remove whatever a mutant may have left."""
        self.end_sessions()
        for database in DATABASES.values():
            self.sql('postgres', 'DROP DATABASE IF EXISTS %s WITH (FORCE)' % database)
        for role in self.sql('postgres', 'SELECT rolname FROM pg_roles').stdout.split('\n'):
            if role not in self.roles:
                self.sql('postgres', 'DROP ROLE "%s"' % role)
        self.spoilt = set(DATABASES.values())

    def provide(self, kind, is_left_clean):
        """Give a kind of tests its database, made anew unless all that ran in it was rolled back."""
        name = DATABASES[kind]
        if name in self.spoilt:
            self.await_sessions()
            self.sql('postgres', 'DROP DATABASE IF EXISTS %s WITH (FORCE)' % name)
            made = self.sql('postgres', 'CREATE DATABASE %s TEMPLATE template_%s' % (name, 'pgtap' if kind == 'pgtap' else 'recall'))
            if made.returncode != 0:
                sys.exit('database %s: %s' % (name, made.stderr))
            # Claims are held in a copy of a database, until it is told that it is none.
            self.sql(name, 'SELECT recall._note_origin()')
            self.spoilt.discard(name)
        if not is_left_clean:
            self.spoilt.add(name)
        return name


class Test:
    """A file of tests; what it prints tells whether all is well."""

    def __init__(self, path, isolationtester):
        self.path = path
        self.kind = path.split('/')[1]
        self.isolationtester = isolationtester
        with open(path) as file:
            text = file.read()
        self.is_left_clean = self.kind == 'pgtap' and re.search(r'^BEGIN;', text, re.M) is not None and not re.search(r'^\s*(COMMIT|CALL|\\c)\b', text, re.M)
        self.kills = collections.Counter()
        self.tries = collections.Counter()
        self.seconds = None
        self.expected = None
        self.reached = {}

    def command(self, database):
        if self.kind == 'specs':
            return [self.isolationtester, 'dbname=' + database]
        return ['stdbuf', '-oL', 'psql', '-X', '-q', '-t', '-A', '-d', database, '-v', 'ON_ERROR_STOP=%d' % (self.kind == 'pgtap'), '-f', self.path]

    def run(self, server, limit, is_hasty=False):
        """
        Give what it prints, as far as that has to be the same each time; None when it takes too long. Who is in haste ends it with
        the first failure.
        """
        database = server.provide(self.kind, self.is_left_clean)
        with open(self.path if self.kind == 'specs' else os.devnull) as given:
            process = subprocess.Popen(['timeout', '--signal=KILL', str(limit)] + self.command(database), stdin=given, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, start_new_session=True, env=server.environment)
        output = []
        failed = False
        for line in process.stdout:
            output.append(line.decode('utf-8', 'replace'))
            if self.kind == 'pgtap' and re.match(r'\s*not ok(?!.*# TODO)|Bail out', output[-1]):
                failed = True
                if is_hasty:
                    os.killpg(process.pid, signal.SIGKILL)
                    break
        process.stdout.close()
        status = process.wait()
        if failed and is_hasty:
            server.end_sessions()
            return 'failed'
        if status in (137, -signal.SIGKILL):
            server.end_sessions()
            return None
        if self.kind == 'pgtap':
            return status, failed, sum(re.match(r'\s*ok ', line) is not None for line in output)
        return status, ''.join(output)

    def is_killing(self, server):
        """Whether something is different now: "", "failed" or "too long"."""
        for attempt in range(2):
            outcome = self.run(server, int(30 + 8 * self.seconds), True)
            if outcome == self.expected:
                return ''
            server.clean()
            # What sessions print that wait for each other may depend on how busy the machine is, once.
            if self.kind != 'specs':
                break
        return 'too long' if outcome is None else 'failed'

    def count_lines(self, server, sources):
        """Note how often the lines of sources were run, with the library that counts."""
        server.await_sessions()
        for name in sources:
            counted = os.path.join(server.counts, name + '.gcda')
            if not os.path.exists(counted):
                continue
            report = json.loads(subprocess.check_output(['gcov', '--json-format', '--stdout', counted], cwd=server.counts, stderr=subprocess.DEVNULL))
            self.reached[name] = collections.Counter()
            for file in report['files']:
                if os.path.basename(file['file']) == name + '.c':
                    for line in file['lines']:
                        self.reached[name][line['line_number']] += line['count']
            os.remove(counted)

    def learn(self, server):
        """See what it prints on the library that counts, and how long that takes; false when it fails."""
        began = time.monotonic()
        self.expected = self.run(server, 900)
        self.seconds = time.monotonic() - began
        return self.expected is not None and not (self.kind == 'pgtap' and (self.expected[0] != 0 or self.expected[1]))

    def confirm(self, server):
        """See whether it prints the same again, on the library as it is."""
        return self.run(server, 900) == self.expected


def tests(names, passed_over):
    """List the tests: those of some names, or without names all but some."""
    isolationtester = os.path.join(os.path.dirname(subprocess.check_output(['pg_config', '--pgxs'], universal_newlines=True).strip()),
                                   '../test/isolation/isolationtester')
    return [Test(path, isolationtester) for path in sorted(glob.glob('test/sql/*.sql') + glob.glob('test/pgtap/*.sql') + glob.glob('test/specs/*.spec'))
            if (os.path.basename(path).split('.')[0] in names if names else os.path.basename(path).split('.')[0] not in passed_over)]
