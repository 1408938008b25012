# Tally.pm
#		A harness for prove and pg_prove that also notes each assertion, one line each, in the file $TALLY.
#
# A line is: passed, failed or skipped; $TALLY_RUNNER; the file, and what it asserts. What was skipped is not
# passed, and neither is a failure that was to be expected (TODO). A file that breaks off, or whose plan
# does not come out, counts as one failure when no assertion of it failed.
package Tally;

use strict;
use warnings;
use base 'TAP::Harness';

# Append a line to the notes.
sub note
{
	my ($outcome, $file, $text) = @_;

	open(my $notes, '>>', $ENV{TALLY}) or die "$ENV{TALLY}: $!";
	print $notes join("\t", $outcome, $ENV{TALLY_RUNNER}, "$file: $text"), "\n";
	close($notes);
}

# Say how an assertion came out.
sub outcome
{
	my ($test) = @_;

	return 'skipped' if $test->has_skip;
	return 'skipped' if $test->has_todo && !$test->is_actual_ok;
	return $test->is_ok ? 'passed' : 'failed';
}

sub make_parser
{
	my ($self, $job) = @_;
	my ($parser, $session) = $self->SUPER::make_parser($job);

	$parser->callback(
		test => sub {
			my ($test) = @_;
			my $text = $test->description =~ s/^- //r || 'assertion ' . $test->number;

			$text .= ' (' . $test->explanation . ')' if $test->has_directive && $test->explanation;
			note(outcome($test), $job->filename, $text);
		});
	return ($parser, $session);
}

sub runtests
{
	my ($self, @tests) = @_;
	my $aggregate = $self->SUPER::runtests(@tests);

	foreach my $file ($aggregate->descriptions)
	{
		my ($parser) = $aggregate->parsers($file);

		note('skipped', $file, $parser->skip_all) if $parser->skip_all;
		note('failed', $file, 'broke off, or its plan does not come out')
		  if $parser->has_problems && !$parser->failed;
	}
	return $aggregate;
}

1;
