#!/usr/bin/python3
"""mutate.py: changes the C code in small ways and sees whether the tests notice.

A mutant is the library with one change: a comparison, a logical operator, a sum, a constant, or what a function returns.
Each is built, put in the place of the library of a server that stays up, and given to the tests until one fails: then it
is killed. A mutant that no test fails on survives: either a test is missing, or the change makes no difference. What
gives the same machine code is left out, and so is what does not compile.

The tests are those of test/sql and test/pgtap. Each is first run on the library as it is, twice, and takes part when it
gives the same both times; the outcome has to be that again. The specs are left out: what they print depends on how busy the
machine is. A kill counts when the same test, right after it, passes on the library as it is. The test that has killed most in its time is
tried first. Time is bounded for each test, by what it took at first; a mutant that is killed by that alone is told apart.

Runs in a workspace (see test/harness/workspace.sh), in the copy of the checkout, after server.sh.
"""
import argparse
import collections
import glob
import os
import random
import re
import signal
import subprocess
import sys
import time

HEART = """policy_match judge calling_hours_next calling_hours_day transition history claim report rights entry seal""".split()

# What is not code to be changed: comments, texts, and statements about what cannot happen, or that only say what a message is.
PASSED_OVER = re.compile(
    r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|^#(?!define).*?$'
    r'|\b(?:elog|errcode|errmsg|errhint|errdetail|INT64_C|UINT64_C|UINT32_C|PG_FUNCTION_INFO_V1|PG_GETARG_\w+)\s*\((?:[^()]|\([^()]*\))*\)',
    re.S | re.M)

SWAPS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==', '&&': '||', '||': '&&', '+': '-', '-': '+',
         'true': 'false', 'false': 'true'}
TOKEN = re.compile(
    r'(?P<swap>(?<=\s)(?:<=|>=|==|!=|<|>|&&|\|\||[+-])(?=\s)|(?<=return )(?:true|false)(?=;))'
    r'|(?P<not>!(?=\w|\())'
    r'|(?P<number>(?<![\w.])\d+(?![\w.]))'
    r'|(?P<value>(?<=return )(?!true|false|\d|\(?Datum\))\w[^;]*(?=;))', re.S)


def mutations(text):
    """Yield the place, the old and the new text of each change."""
    code = PASSED_OVER.sub(lambda match: re.sub(r'[^\n]', ' ', match.group()), text)
    code = re.sub(r'\[\w*\] = |\{ 0 \}', lambda match: ' ' * len(match.group()), code)
    for match in TOKEN.finditer(code):
        old = text[match.start():match.end()]
        if match['swap']:
            yield match.start(), old, SWAPS[old]
        elif match['not']:
            yield match.start(), old, ''
        elif match['number']:
            yield match.start(), old, str(int(old) + 1)
        elif re.search(r'[<>=&|!]=?', old) and '\n' not in old and '->' not in old:
            yield match.start(), old, '!(' + old + ')'


class Test:
    """A file of tests; what it prints tells whether all is well."""

    def __init__(self, path):
        self.path = path
        self.kind = path.split('/')[1]
        self.kills = collections.Counter()
        self.seconds = None
        self.expected = None

    def run(self, limit):
        """Give what it prints, as far as that has to be the same each time; None when it takes too long."""
        name = 'mutate_' + self.kind
        command = ['psql', '-X', '-q', '-t', '-A', '-d', name, '-v', 'ON_ERROR_STOP=%d' % (self.kind == 'pgtap'), '-f', self.path]
        fresh_database(name, self.kind == 'pgtap')
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output = process.communicate(timeout=limit)[0].decode('utf-8', 'replace')
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            end_sessions(name)
            return None
        if self.kind == 'pgtap':
            failed = re.search(r'^\s*not ok|^Bail out', output, re.M) is not None
            return process.returncode, failed, len(re.findall(r'^\s*ok ', output, re.M))
        return process.returncode, output

    def learn(self):
        """See what it prints on the library as it is; false when that varies, or is a failure."""
        began = time.monotonic()
        self.expected = self.run(600)
        self.seconds = time.monotonic() - began
        again = self.run(600)
        if self.kind == 'pgtap' and (self.expected is None or self.expected[1]):
            return False
        return self.expected is not None and self.expected == again

    def kills_mutant(self):
        """Whether something is different now: "", "failed" or "too long"."""
        outcome = self.run(20 + 8 * self.seconds)
        if outcome is None:
            return 'too long'
        return '' if outcome == self.expected else 'failed'


def sql(database, *statements):
    command = ['psql', '-X', '-q', '-A', '-t', '-d', database, '-v', 'ON_ERROR_STOP=1']
    for statement in statements:
        command += ['-c', statement]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, stdin=subprocess.DEVNULL)


def wait_for_server():
    """Let the server come back after a process of it has died."""
    for attempt in range(600):
        if sql('postgres', 'SELECT 1').returncode == 0:
            return
        time.sleep(0.1)
    sys.exit('the server is gone')


dirty = set()


def fresh_database(name, has_pgtap):
    """Give a kind of tests its database, made anew when a mutant may have spoilt it."""
    if name in dirty or sql(name, 'SELECT 1').returncode != 0:
        wait_for_server()
        sql('postgres', 'DROP DATABASE IF EXISTS %s WITH (FORCE)' % name)
        made = sql('postgres', 'CREATE DATABASE %s TEMPLATE mutate_template%s' % (name, '_pgtap' if has_pgtap else ''))
        if made.returncode != 0:
            sys.exit('database %s: %s' % (name, made.stderr))
        dirty.discard(name)
    if not has_pgtap:
        dirty.add(name)


def end_sessions(name):
    """End what still runs in a database, which may be an endless loop."""
    pids = sql('postgres', "SELECT pid FROM pg_stat_activity WHERE datname = '%s'" % name).stdout.split()
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)
    time.sleep(1)
    wait_for_server()


def build():
    """Build the library; give what went wrong."""
    made = subprocess.run(['make', '-s', 'with_llvm=no', 'COPT=-O1 -w', 'recall.so'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return made.returncode == 0


def install():
    """Put the library in the place of the installed one, which running sessions keep."""
    installed = os.path.join(LIBRARIES, 'recall.so')
    with open('recall.so', 'rb') as library, open(installed + '.new', 'wb') as copy:
        copy.write(library.read())
    os.chmod(installed + '.new', 0o755)
    os.rename(installed + '.new', installed)


def read(path, mode='r'):
    with open(path, mode) as file:
        return file.read()


def write(path, text):
    with open(path, 'w') as file:
        file.write(text)


def machine_code(source):
    """The code and data of a file, without what tells of its lines."""
    stripped = source[:-2] + '.stripped'
    subprocess.run(['objcopy', '--strip-debug', source[:-2] + '.o', stripped], check=True)
    code = read(stripped, 'rb')
    os.remove(stripped)
    return code


def try_mutant(tests, name):
    """Give the tests a mutant of a file; which one kills it, and how."""
    order = sorted(tests, key=lambda test: (-(test.kills[name] + 0.2 * sum(test.kills.values()) / 10 + 0.05 * test.near(name)) / (test.seconds + 0.3)))
    for test in order:
        how = test.kills_mutant()
        if how:
            test.kills[name] += 1
            dirty.add('mutate_' + test.kind)
            wait_for_server()
            return test, how
    return None, ''


NEAR = {'judge': 'judge_twin agree recycle judge random', 'policy_match': 'policy_twin judge policy', 'transition': 'transition setup calls recycle',
        'calling_hours_next': 'calling_hours calling_hours_twin', 'calling_hours_day': 'calling_hours calling_hours_twin',
        'history': 'judge judge_twin', 'claim': 'claim admission lease', 'report': 'report report_many', 'rights': 'rights unknown',
        'entry': 'entry', 'seal': 'entry'}
Test.near = lambda self, name: self.path.split('/')[-1].split('.')[0] in NEAR.get(name, '').split()


def main():
    global LIBRARIES
    parser = argparse.ArgumentParser()
    parser.add_argument('--files', default=' '.join(HEART))
    parser.add_argument('--sample', type=int, default=100)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=3600, help='after which no mutant is begun')
    parser.add_argument('--tests', default='', help='names of tests; without any, all')
    parser.add_argument('--only', default='', help='FILE:LINE, to try the mutants of a line')
    arguments = parser.parse_args()
    LIBRARIES = subprocess.check_output(['pg_config', '--pkglibdir'], universal_newlines=True).strip()
    os.environ.update(PGAPPNAME='mutate', PGOPTIONS='-c client_min_messages=warning -c jit=off -c statement_timeout=300s')
    began = time.monotonic()

    for source in glob.glob('src/*.o') + ['recall.so']:
        os.remove(source)
    if not build():
        sys.exit('recall does not build')
    install()
    for name in 'mutate_template', 'mutate_template_pgtap':
        sql('postgres', 'CREATE DATABASE ' + name)
        made = sql(name, 'CREATE EXTENSION recall', *(['CREATE EXTENSION pgtap'] if 'pgtap' in name else []))
        if made.returncode != 0:
            sys.exit(made.stderr)

    tests = [Test(path) for path in sorted(glob.glob('test/sql/*.sql') + glob.glob('test/pgtap/*.sql'))]
    if arguments.tests:
        tests = [test for test in tests if os.path.basename(test.path).split('.')[0] in arguments.tests.split()]
    taking_part = []
    for test in tests:
        if test.learn():
            taking_part.append(test)
        else:
            print('takes no part, since it fails or varies: %s' % test.path, flush=True)
    print('%d tests, %.0f s for all' % (len(taking_part), sum(test.seconds for test in taking_part)), flush=True)

    mutants = []
    originals = {}
    for name in arguments.files.split():
        source = 'src/%s.c' % name
        originals[source] = read(source), machine_code(source)
        mutants += [(source, name) + mutation for mutation in mutations(originals[source][0])]
    if arguments.only:
        wanted, line = arguments.only.split(':')
        mutants = [m for m in mutants if m[1] == wanted and originals[m[0]][0].count('\n', 0, m[2]) + 1 == int(line)]
    print('%d mutants of %d files; seed %d' % (len(mutants), len(originals), arguments.seed), flush=True)
    random.Random(arguments.seed).shuffle(mutants)

    counts = collections.Counter()
    by_file = collections.defaultdict(collections.Counter)
    survivors = []
    for source, name, place, old, new in mutants:
        if counts['killed'] + counts['survived'] + counts['in doubt'] >= arguments.sample or time.monotonic() - began > arguments.seconds:
            break
        text, code = originals[source]
        line = text.count('\n', 0, place) + 1
        what = '%s:%d: %s -> %s  in: %s' % (source, line, ' '.join(old.split()), ' '.join(new.split()) or 'nothing', text.split('\n')[line - 1].strip())
        write(source, text[:place] + new + text[place + len(old):])
        try:
            if not build():
                outcome, why = 'not built', ''
            elif machine_code(source) == code:
                outcome, why = 'same code', ''
            else:
                install()
                test, how = try_mutant(taking_part, name)
                outcome = 'killed' if test else 'survived'
                if test:
                    write(source, text)
                    os.utime(source, (time.time() + 1, time.time() + 1))
                    if not build():
                        sys.exit('recall does not build any more')
                    install()
                    if test.kills_mutant():
                        outcome = 'in doubt'
                why = '%s: %s' % (test.path, how) if test else ''
                counts['by time alone'] += outcome == 'killed' and how == 'too long'
        finally:
            write(source, text)
            os.utime(source, (time.time() + 1, time.time() + 1))
        counts[outcome] += 1
        by_file[name][outcome] += 1
        print('%s  %s  %s' % (outcome, what, why), flush=True)
        if outcome == 'survived':
            survivors.append(what)
    build()
    install()

    print('\n%-20s %7s %9s %10s %10s %10s' % ('file', 'killed', 'survived', 'in doubt', 'same code', 'not built'))
    for name in sorted(by_file):
        print('%-20s %7d %9d %10d %10d %10d' % ((name,) + tuple(by_file[name][key] for key in ('killed', 'survived', 'in doubt', 'same code', 'not built'))))
    tried = counts['killed'] + counts['survived']
    print('\n'.join(['', 'survivors:'] + survivors if survivors else []))
    print('%d of %d mutants killed (%.1f %%), %d of them by time alone; %d in doubt, %d more gave the same code, %d did not build; seed %d, %.0f s'
          % (counts['killed'], tried, 100 * counts['killed'] / max(tried, 1), counts['by time alone'], counts['in doubt'], counts['same code'], counts['not built'],
             arguments.seed, time.monotonic() - began))

    return 10 * counts['killed'] < 9 * tried


sys.exit(main())
