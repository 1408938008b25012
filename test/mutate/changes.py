"""changes.py: the small changes of C code that make mutants, and those that are known to make no difference."""
import re

# What is not code to be changed: comments, texts, statements about what cannot happen, or that only say what a message is, the
# sizes of arrays that are filled from a list or one by one, and what a function returns that gives its rows otherwise.
PASSED_OVER = re.compile(
    r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|^#(?!define).*?$'
    r'|\b(?:elog|errcode|errmsg|errhint|errdetail|INT64_C|UINT64_C|UINT32_C|PG_FUNCTION_INFO_V1|PG_GETARG_\w+)\s*\((?:[^()]|\([^()]*\))*\)'
    r'|^\s+(?:static |const )*\w+ \w+\[\d+\](?=;| =)|return \(Datum\) 0;',
    re.S | re.M)

SWAPS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==', '&&': '||', '||': '&&', '+': '-', '-': '+',
         'true': 'false', 'false': 'true'}
TOKEN = re.compile(
    r'(?P<swap>(?<=\s)(?:<=|>=|==|!=|<|>|&&|\|\||[+-])(?=\s)|(?<=return )(?:true|false)(?=;))'
    r'|(?P<not>!(?=\w|\())'
    r'|(?P<number>(?:(?<=[(,=?:] )-|(?<=[([])-|(?<=return )-)?(?<![\w.])\d+(?![\w.]))'
    r'|(?P<value>(?<=return )(?!true|false|\d|\(?Datum\))\w[^;]*(?=;))', re.S)


class Function:
    """A function of a C file: its name, and where its body begins and ends."""

    def __init__(self, name, first_line, last_line):
        self.name = name
        self.first_line = first_line
        self.last_line = last_line


def functions(text):
    """List the functions of a file, whose braces stand in the first column."""
    found = []
    for match in re.finditer(r'^(\w+)\([^;{}]*?\)\n\{\n.*?^\}$', text, re.S | re.M):
        found.append(Function(match[1], text.count('\n', 0, match.start()) + 1, text.count('\n', 0, match.end()) + 1))
    return found


class Mutant:
    """One change of a file: what stands at a place becomes something else."""

    def __init__(self, name, text, place, old, new):
        self.name = name
        self.place = place
        self.old = old
        self.new = new
        self.line = text.count('\n', 0, place) + 1
        self.function = next((f for f in functions_of(name, text) if f.first_line <= self.line <= f.last_line), None)
        self.code = ' '.join(text.split('\n')[self.line - 1].split())
        self.key = None

    def applied(self, text):
        return text[:self.place] + self.new + text[self.place + len(self.old):]

    def __str__(self):
        return '%s:%d: %s' % (self.name, self.line, self.key)


_functions = {}


def functions_of(name, text):
    if name not in _functions:
        _functions[name] = functions(text)
    return _functions[name]


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


def mutants(name, text):
    """List the mutants of a file. Each has a key that stays when lines are put in elsewhere."""
    found = [Mutant(name, text, *mutation) for mutation in mutations(text)]
    seen = {}
    for mutant in found:
        where = '%s.c %s: %s' % (name, mutant.function.name if mutant.function else '-', mutant.code)
        what = '%s -> %s' % (' '.join(mutant.old.split()), ' '.join(mutant.new.split()) or 'nothing')
        count = seen[where, what] = seen.get((where, what), 0) + 1
        mutant.key = '%s | %s%s' % (where, what, ' (%d)' % count if count > 1 else '')
    return found


def read_equivalents(path):
    """Read the keys of the mutants that make no difference, each with the reason in the lines below it."""
    reasons = {}
    key = None
    with open(path) as file:
        for line in file:
            if line.startswith('#') or not line.strip():
                continue
            if line[0] == '\t':
                reasons[key] += line.strip() + ' '
            else:
                key = line.rstrip('\n')
                reasons[key] = ''
    unexplained = [key for key in reasons if not reasons[key]]
    if unexplained:
        raise ValueError('no reason is given for: ' + '; '.join(unexplained))
    return reasons
