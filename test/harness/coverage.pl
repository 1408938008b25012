#!/usr/bin/perl
# coverage.pl FOLDER
#		Prints how much of the C files of a folder was reached, by what gcov wrote beside them.
#
# A line counts when it was run, a branch when it was taken. Not counted:
#
#	the branches inside statements that raise or might interrupt (ereport, errsave, elog, CHECK_FOR_INTERRUPTS, PG_TRY),
#	inside what measures values (VARSIZE_ANY and its kin) and MemSet(): the macros make them, and whether, say, a message
#	reaches a log is not recall's doing;
#	the lines and branches of elog(): it tells of what cannot happen, and of the branches of its condition, the one that
#	leads there.
#
# With --missing it lists what was not reached, too.

use strict;
use warnings;

use JSON::PP;

my $lists_missing = @ARGV && $ARGV[0] eq '--missing' ? shift : 0;
my ($folder) = @ARGV;

# The lines that statements beginning with a macro take up.
sub lines_of
{
	my ($text, $macro) = @_;
	my %lines;

	while ($text =~ /\b(?:$macro)\s*(?=\()/g)
	{
		my $first = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);

		# Parentheses in texts come in pairs here.
		substr($text, $+[0]) =~ /^(\((?:[^()]++|(?1))*\))/;
		$lines{$_} = 1 foreach $first .. $first + ($1 =~ tr/\n//);
	}
	return %lines;
}

my %total = map { $_ => 0 } qw(lines reached branches taken);

sub percent
{
	my ($part, $whole) = @_;

	return $whole == 0 ? '     -' : sprintf('%5.1f%%', 100 * $part / $whole);
}

sub row
{
	my ($name, %count) = @_;

	printf("%-26s %5d %5d %s  %5d %5d %s\n", $name, @count{qw(lines reached)}, percent(@count{qw(reached lines)}),
		@count{qw(branches taken)}, percent(@count{qw(taken branches)}));
}

printf("%-26s %5s %5s %6s  %5s %5s %6s\n", qw(file lines run % branches taken %));
my @missing;
foreach my $source (sort glob("$folder/*.c"))
{
	my ($name) = $source =~ m{([^/]+)$};
	my $notes = $source =~ s/\.c$/.gcno/r;
	my %count = map { $_ => 0 } keys %total;

	next unless -e $notes;
	my $text = do { local (@ARGV, $/) = $source; <> };
	my %impossible = lines_of($text, 'elog');
	my %macros = (
		lines_of($text,
			'ereport|errsave|elog|CHECK_FOR_INTERRUPTS|PG_TRY|PG_CATCH|PG_END_TRY|MemSet'
			  . '|VARSIZE_ANY_EXHDR|VARDATA_ANY|VARSIZE_ANY'));
	my $report = decode_json(scalar `gcov --json-format --stdout --branch-probabilities -o '$folder' '$source' 2>/dev/null`);
	my %lines;

	foreach my $file (@{ $report->{files} })
	{
		next unless $file->{file} =~ /(^|\/)\Q$name\E$/;
		foreach my $line (@{ $file->{lines} })
		{
			my $seen = $lines{ $line->{line_number} } //= { count => 0, branches => [] };

			$seen->{count} += $line->{count};
			push @{ $seen->{branches} }, $line->{branches};
		}
	}
	foreach my $number (sort { $a <=> $b } keys %lines)
	{
		my $line = $lines{$number};

		next if $impossible{$number};
		$count{lines}++;
		$count{reached} += $line->{count} > 0;
		push @missing, "$name:$number: not run" if $line->{count} == 0;
		next if $macros{$number};
		# The condition before an elog() is on the line above it.
		my $is_guard = $impossible{ $number + 1 };
		# An inlined function may be there several times.
		foreach my $branches (@{ $line->{branches} })
		{
			my @branches = @$branches;

			next if $is_guard;
			$count{branches} += @branches;
			my $taken = grep { $_->{count} > 0 } @branches;
			$count{taken} += $taken;
			push @missing, "$name:$number: $taken of " . @branches . ' branches'
			  if $line->{count} > 0 && $taken < @branches;
		}
	}
	row($name, %count);
	$total{$_} += $count{$_} foreach keys %total;
}
row('all', %total);
print "$_\n" foreach $lists_missing ? @missing : ();
