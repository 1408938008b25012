#!/usr/bin/python3
"""mutate.py: changes the C code in small ways and sees whether the tests notice.

A mutant is the library with one change: a comparison, a logical operator, a sum, a constant, or what a function returns
(changes.py). Each is built, put in the place of the library of a server that stays up, and given to tests until one fails: then
it is killed. The tests are those of test/sql, test/specs and test/pgtap (server.py). Each is first run on a library that counts
which lines it runs, and takes part when it passes; where what it prints is what counts, it has to print the same on the library
as it is. The outcome has to be that again. A mutant is given only to those that run its line; the one that has killed most of
its like in its time, or else runs the line most often in its time, is tried first. No more are begun when those that were tried
took, at first, as long as PATIENCE together; of those that take half as long by themselves one is tried, last. So a mutant that
survived may yet be killed by one of the others.

What becomes of a mutant:

    killed          a test fails, or takes much longer than it did: the latter are told apart
    survived        none does: a test is missing, or the change makes no difference
    unreached       no test runs the line; counts like one that survived
    in doubt        the test that failed does so on the library as it is, too, tried a little later; does not count

Left out are changes that do not compile, that give the same machine code, and those that are known to make no difference, which
equivalents.txt lists with the reasons.

Runs in a workspace (see test/harness/workspace.sh), in the copy of the checkout, after server.sh, whose cluster is stopped.
"""
import argparse
import collections
import concurrent.futures
import math
import os
import random
import re
import shlex
import subprocess
import sys
import threading
import time

import changes
import server

# What decides: the two languages, the judgement, the state machines, who may do what, and the queue.
HEART = """policy_parse policy_match calling_hours_parse calling_hours_day calling_hours_next local_clock judge judge_sql history
    transition claim suppression report lease rights entry seal""".split()
EQUIVALENTS = 'test/mutate/equivalents.txt'
OUTCOMES = ['killed', 'survived', 'unreached', 'in doubt']
# They take long, and look at something else: other settings, what verify() finds, what the catalogs say.
PASSED_OVER = 'settings verify catalog'.split()
# So many mutants are tried before the tests that failed are tried on the library as it is.
CHECKED_AFTER = 20


class Builder:
    """Builds the library with the commands that make would use, one file anew."""

    def __init__(self, folder):
        self.folder = folder
        commands = subprocess.check_output(['make', '-n', '-B', 'with_llvm=no', 'COPT=-w -g0', 'recall.so'], universal_newlines=True)
        commands = [shlex.split(line) for line in commands.replace('\\\n', ' ').split('\n') if re.match(r'\S*(gcc|clang|cc) ', line)]
        self.compiling = {os.path.basename(c[c.index('-o') + 1])[:-2]: c for c in commands if '-c' in c}
        self.linking = next(c for c in commands if '-shared' in c)

    def compile(self, name, folder, target, *flags):
        """Compile the file of a name that lies in the src of a folder; false when that is no C."""
        command = ['-I' + os.path.abspath('src') if word == '-I.' else os.path.abspath(target) if word == 'src/%s.o' % name else word
                   for word in self.compiling[name]]
        return subprocess.call(command + list(flags), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0

    def link(self, target, other_objects, *flags):
        """Link the library, some of whose objects are others than those in src."""
        command = [target if word == 'recall.so' else other_objects.get(os.path.basename(word)[:-2], word) if word.endswith('.o') else word
                   for word in self.linking]
        subprocess.check_call(command + list(flags))

    def build(self):
        """Build the library as it is."""
        for name in self.compiling:
            if not self.compile(name, '.', 'src/%s.o' % name):
                sys.exit('recall does not build')
        self.original = os.path.join(self.folder, 'original.so')
        self.link(self.original, {})

    def build_counting(self, names, notes):
        """Build the library that counts the lines of files; the notes of what it counts go to some folders."""
        objects = {}
        for name in names:
            objects[name] = os.path.join(self.folder, name + '.o')
            if not self.compile(name, '.', objects[name], '-O0', '--coverage', '-U_FORTIFY_SOURCE'):
                sys.exit('recall does not build with --coverage')
            for folder in notes:
                subprocess.check_call(['cp', objects[name][:-2] + '.gcno', folder])
        self.counting = os.path.join(self.folder, 'counting.so')
        self.link(self.counting, objects, '--coverage')

    def build_mutant(self, mutant, text, number):
        """Compile a mutant; say "not built", "same code" or, when its object is there to be tried, nothing."""
        folder = os.path.join(self.folder, 'mutant%d' % number)
        os.makedirs(os.path.join(folder, 'src'))
        # Messages hold the name of the source, which is to be the same.
        with open(os.path.join(folder, 'src', mutant.name + '.c'), 'w') as file:
            file.write(mutant.applied(text))
        mutant.object = folder + '.o'
        if not self.compile(mutant.name, folder, mutant.object):
            return 'not built'
        if read(mutant.object) == read('src/%s.o' % mutant.name):
            return 'same code'
        return ''


def read(path):
    with open(path, 'rb') as file:
        return file.read()


class Run:
    """A sample of mutants, the tests, and what has become of each so far."""

    def __init__(self, arguments, builder, servers):
        self.arguments = arguments
        self.builder = builder
        self.servers = servers
        self.names = arguments.files.split()
        self.texts = {}
        self.left_out = collections.Counter()
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.tried = []

    def list_mutants(self):
        """List all mutants, in the order of the seed."""
        self.equivalents = equivalents = changes.read_equivalents(EQUIVALENTS)
        found = []
        for name in self.names:
            with open('src/%s.c' % name) as file:
                self.texts[name] = file.read()
            found += changes.mutants(name, self.texts[name])
        known = {mutant.key for mutant in found}
        lost = [key for key in equivalents if key.split('.c ')[0] in self.names and key not in known]
        if lost:
            sys.exit('%s has what the code has no more:\n%s' % (EQUIVALENTS, '\n'.join(lost)))
        if self.arguments.only:
            found = [mutant for mutant in found if '%s:%d' % (mutant.name, mutant.line) in self.arguments.only.split()]
        print('%d changes of %d files, of which %d are known to make no difference; seed %d'
              % (len(found), len(self.names), len(known & set(equivalents)), self.arguments.seed), flush=True)
        random.Random(self.arguments.seed).shuffle(found)
        self.found = found
        self.sample = []

    def choose(self):
        """Take as many of them as are wanted and make a difference to the compiler."""
        found = self.found
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for first in range(0, len(found), 16):
                some = [(number, found[number]) for number in range(first, min(first + 16, len(found)))]
                for (number, mutant), why in zip(some, pool.map(lambda m: self.builder.build_mutant(m[1], self.texts[m[1].name], m[0]), some)):
                    if len(self.sample) == self.arguments.sample:
                        return
                    if not why and mutant.key in self.equivalents:
                        why = 'equivalent'
                    if why:
                        self.left_out[why] += 1
                    else:
                        self.sample.append(mutant)

    def learn(self):
        """Run all tests on the library that counts and on the library as it is; keep those that give the same."""
        tests = server.tests(self.arguments.tests.split(), PASSED_OVER)
        self.tests = []
        for library, action in (self.builder.counting, self.learn_one), (self.builder.original, self.confirm_one):
            waiting = list(reversed(tests))
            self.in_parallel(lambda at: self.take_all(at, waiting, library, action))
        self.tests = [test for test in tests if test.takes_part]
        for test in tests:
            if not test.takes_part:
                print('takes no part, since it fails or varies: %s' % test.path, flush=True)
        print('%d tests, %.0f s for all: %s\n%.0f s so far' % (
            len(self.tests), sum(test.seconds for test in self.tests),
            ', '.join('%s %.0f' % (os.path.basename(test.path), test.seconds) for test in sorted(self.tests, key=lambda test: -test.seconds)),
            time.monotonic() - self.began), flush=True)

    def in_parallel(self, action):
        """Do something with each server at the same time."""
        with concurrent.futures.ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(action, self.servers))

    def take_all(self, at, waiting, library, action):
        at.install(library)
        at.clean()
        while True:
            with self.lock:
                if not waiting:
                    return
                test = waiting.pop()
            action(at, test)

    def learn_one(self, at, test):
        test.takes_part = test.learn(at)
        if not test.takes_part:
            at.clean()
        test.count_lines(at, self.names)

    def confirm_one(self, at, test):
        # Whether an assertion holds does not vary; how it is printed may.
        if test.takes_part and test.kind != 'pgtap':
            test.takes_part = test.confirm(at)
            if not test.takes_part:
                at.clean()

    def hits(self, test, mutant):
        """How often a test runs what a mutant changes: its line, or the one on which that statement begins."""
        lines = test.reached.get(mutant.name)
        if not lines:
            return 0
        if mutant.function is None:
            return max(lines.values())
        for line in range(mutant.line, mutant.function.first_line - 1, -1):
            if line in lines:
                return lines[line]
        return 0

    def in_order(self, mutant):
        """The tests that run a mutant's line, the likely killers first."""
        reaching = [test for test in self.tests if self.hits(test, mutant)]
        function = mutant.function.name if mutant.function else ''

        def promise(test):
            own = (test.kills[mutant.name, function] + 0.3) / (test.tries[mutant.name, function] + 1)
            file = (test.kills[mutant.name] + 0.2) / (test.tries[mutant.name] + 1)
            return (own + 0.3 * file) * (1 + math.log10(self.hits(test, mutant))) / (test.seconds + 0.5)

        return sorted(reaching, key=promise, reverse=True)

    def try_mutant(self, at, mutant):
        """Give the tests a mutant."""
        mutant.test = None
        order = self.in_order(mutant)
        if not order:
            return 'unreached'
        library = os.path.join(at.folder, 'mutant.so')
        self.builder.link(library, {mutant.name: mutant.object})
        at.install(library)
        function = mutant.function.name if mutant.function else ''
        patience = self.arguments.patience
        # One long test may be tried, when all others are through.
        long = [test for test in order if test.seconds > patience / 2]
        for test in [test for test in order if test not in long] + long[:1]:
            if patience < 0:
                break
            patience -= test.seconds
            mutant.how = test.is_killing(at)
            with self.lock:
                for key in (mutant.name, function), mutant.name:
                    test.tries[key] += 1
                    test.kills[key] += mutant.how != ''
            if mutant.how:
                mutant.test = test
                return 'killed'
        return 'survived'

    def check_kills(self, at, killed):
        """See whether the tests that failed pass on the library as it is."""
        at.install(self.builder.original)
        at.clean()
        for test in {mutant.test for mutant in killed}:
            if test.is_killing(at):
                for mutant in killed:
                    if mutant.test is test:
                        mutant.outcome = 'in doubt'
                        print('in doubt, since %s fails without it: %s' % (test.path, mutant), flush=True)
        killed.clear()

    def try_all(self, at, waiting):
        """Try mutants until there are no more."""
        killed = []
        while True:
            with self.lock:
                if not waiting or time.monotonic() - self.began > self.arguments.seconds:
                    break
                mutant = waiting.pop()
            began = time.monotonic()
            mutant.outcome = self.try_mutant(at, mutant)
            with self.lock:
                self.tried.append(mutant)
                print('%3d %s  %s  %s' % (len(self.tried), mutant.outcome, mutant,
                                          '[%s%s %.0f s]' % (mutant.test.path + ' ' if mutant.test else '', mutant.how if mutant.test else '', time.monotonic() - began)), flush=True)
            if mutant.test:
                killed.append(mutant)
            if len(killed) >= CHECKED_AFTER:
                self.check_kills(at, killed)
        self.check_kills(at, killed)

    def try_sample(self):
        waiting = list(reversed(self.sample))
        self.in_parallel(lambda at: self.try_all(at, waiting))

    def report(self):
        """Print what became of them; true when nine in ten were killed."""
        counts = collections.Counter(mutant.outcome for mutant in self.tried)
        print('\n%-20s' % 'file' + ''.join('%10s' % outcome for outcome in OUTCOMES))
        for name in self.names:
            of_file = collections.Counter(mutant.outcome for mutant in self.tried if mutant.name == name)
            if of_file:
                print('%-20s' % name + ''.join('%10d' % of_file[outcome] for outcome in OUTCOMES))
        for outcome in OUTCOMES[1:]:
            print(''.join('\n%s: %s' % (outcome, mutant) for mutant in self.tried if mutant.outcome == outcome))
        by_time = sum(mutant.outcome == 'killed' and mutant.how == 'too long' for mutant in self.tried)
        whole = counts['killed'] + counts['survived'] + counts['unreached']
        print('%d of %d mutants killed (%.1f %%), %d of them by time alone; %d survived, %d unreached, %d in doubt; left out: %d known to make no '
              'difference, %d of the same machine code, %d that do not compile; seed %d, %.0f s'
              % (counts['killed'], whole, 100 * counts['killed'] / max(whole, 1), by_time, counts['survived'], counts['unreached'], counts['in doubt'],
                 self.left_out['equivalent'], self.left_out['same code'], self.left_out['not built'], self.arguments.seed, time.monotonic() - self.began))
        if len(self.tried) < self.arguments.sample and not self.arguments.only:
            print('%d of the sample were not tried' % (self.arguments.sample - len(self.tried)))
        return 10 * counts['killed'] >= 9 * whole


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--files', default=' '.join(HEART))
    parser.add_argument('--sample', type=int, default=250)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=14400, help='after which no mutant is begun')
    parser.add_argument('--tests', default='', help='names of tests; without any, all')
    parser.add_argument('--patience', type=float, default=60, help='seconds that tests of one mutant take, at most')
    parser.add_argument('--only', default='', help='FILE:LINE …, to try the mutants of these lines')
    parser.add_argument('--jobs', type=int, default=2, help='how many are tried at the same time')
    parser.add_argument('--cluster', required=True, help='a cluster, stopped, with the databases template_recall and template_pgtap')
    parser.add_argument('--folder', required=True, help='for what is made')
    arguments = parser.parse_args()

    servers = [server.Server(number, arguments.folder) for number in range(arguments.jobs)]
    builder = Builder(arguments.folder)
    builder.build()
    run = Run(arguments, builder, servers)
    run.list_mutants()
    builder.build_counting(run.names, [at.counts for at in servers])
    for at in servers:
        at.install(builder.original)
        at.start(arguments.cluster)
    try:
        choosing = threading.Thread(target=run.choose)
        choosing.start()
        run.learn()
        choosing.join()
        run.try_sample()
    finally:
        for at in servers:
            at.stop()
    return 0 if run.report() else 1


if __name__ == '__main__':
    sys.exit(main())
