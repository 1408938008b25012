# TestClock.pm
#		Servers whose clock a test sets.
#
#	my $clock = TestClock->new;
#	$clock->start($node);				# instead of $node->start
#	$clock->set('2026-03-10 10:00:00');	# in UTC; and a speed, if it is not to go as ever
#	$clock->step(3600);					# by so many seconds
package TestClock;

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Utils ();
use Time::HiRes;
use Time::Local;

my $folder = dirname(__FILE__);

sub new
{
	my ($class) = @_;
	my $self = bless { current => 0, speed => 1 }, $class;
	my $build = PostgreSQL::Test::Utils::tempdir();

	$self->{library} = "$build/clock.so";
	$self->{file} = "$build/clock";
	PostgreSQL::Test::Utils::system_or_bail('gcc', '-O2', '-Wall', '-shared', '-fPIC', '-o', $self->{library}, "$folder/clock.c");
	$self->{real} = $self->{shown} = _real();
	$self->_write;
	return $self;
}

sub start
{
	my ($self, $node) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	local $ENV{TEST_CLOCK} = $self->{file};

	$node->start;
	return;
}

sub _real
{
	return int(Time::HiRes::time() * 1000000);
}

# What the clock shows now, in microseconds since 1970.
sub shown
{
	my ($self) = @_;

	return $self->{shown} + int((_real() - $self->{real}) * $self->{speed});
}

sub _write
{
	my ($self) = @_;
	my $other = 1 - $self->{current};

	open(my $file, -e $self->{file} ? '+<' : '+>', $self->{file}) or die "$self->{file}: $!";
	truncate($file, 56);
	sysseek($file, 8 + 24 * $other, 0);
	syswrite($file, pack('q<q<d<', $self->{real}, $self->{shown}, $self->{speed}));
	sysseek($file, 0, 0);
	syswrite($file, pack('q<', $other));
	close($file);
	$self->{current} = $other;
	return;
}

sub set
{
	my ($self, $time, $speed) = @_;
	my ($year, $month, $day, $hour, $minute, $second) = $time =~ /^(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)$/ or die "no time: $time";

	$self->{real} = _real();
	$self->{shown} = 1000000 * timegm($second, $minute, $hour, $day, $month - 1, $year);
	$self->{speed} = $speed // 1;
	$self->_write;
	return;
}

sub step
{
	my ($self, $seconds) = @_;
	my $shown = $self->shown;

	$self->{real} = _real();
	$self->{shown} = $shown + int($seconds * 1000000);
	$self->_write;
	return;
}

1;
