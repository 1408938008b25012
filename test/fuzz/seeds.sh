#!/bin/bash
#
# seeds.sh TARGET FOLDER
#		Writes the inputs that fuzzing a target starts from into a folder, one file each.
#
# They are few: each form of the languages once, and what lies at the stated maxima and just beyond, which mutation alone
# would not reach soon. A target without a function of its name starts from nothing.
set -euo pipefail

target=$1 folder=$2
count=0

# Write the input that printf makes of its arguments.
seed()
{
	count=$((count + 1))
	# shellcheck disable=SC2059
	printf "$@" >"$folder/$count"
}

# Print a text a number of times.
repeat()
{
	local i

	for ((i = 0; i < $2; i++)); do
		printf '%s' "$1"
	done
}

# Make a seed of each line that a command prints, behind a prefix for printf.
seed_lines()
{
	local prefix=$1 command=$2 line

	while IFS= read -r line; do
		seed "$prefix%s" "$line"
	done < <("$command")
}

policy_lines()
{
	local codes

	cat <<-'END'
		busy, no_answer after 10 min, 30 min, 2 h max 9999 next number; failed after 4 h max 3
		result callback, "call--later" after 1 day; result no never; limit 3 per day per number; limit 7 per 7 days; limit 2 per 24 h
		class network, unreachable after 90 s; answered never; quiet 3 h after answered; quiet 30 days after result sold per number
		quiet 1 week after class machine; quiet 2 days after machine; quiet 2 days after fax; limit 5 per number -- a comment
		BUSY AFTER 1 HOUR, 2 Hrs MAX 10
		bussy after 10 m
		class busy, result x
	END
	printf 'result %s\n' "$(repeat x 50)" "$(repeat x 51)" "x$(repeat é 40)"
	# The most rules, delays, limits and quiets; one too many of each.
	printf 'busy%s\n' "$(repeat ';busy after 1 s' 63)" "$(repeat ';busy after 1 s' 64)"
	printf 'busy after 1 s%s\n' "$(repeat ',3649 days' 15)" "$(repeat ',3649 days' 16)"
	printf '%s%s\n' "$(printf 'limit %s;' {1..16})" "$(printf 'quiet %s h after result x;' {1..16})"
	printf '%s\n' "$(printf 'limit %s;' {1..17})" "$(printf 'quiet %s h after result x;' {1..17})"

	# The most bytes stored, and one too many; too many codes; the longest text, and a longer one.
	codes=$(printf ',%s' {1000..2635})
	printf 'result %s\n' "x$codes" "xy$codes" "xyz$codes,2636,2637"
	printf 'busy%*s\n' 65532 '' 65533 ''
}

calling_hours_lines()
{
	cat <<-'END'
		Mo-Fr 09:00-18:00; Sa 10:00-14:00; Su,PH off
		24/7
		Mo-Su 08:00-12:00,12:00-21:00; Dec 24-Jan 1 off; 2026 Jul 6-2026 Aug 14 Mo,We 10:00-16:00
		Fr,Sa 22:00-06:00; PH 20:00-30:00 off; Feb 29 closed
		Mo 22:00-46:00; Tu 22:00-48:00; We 22:00-21:59
		Feb 28 00:00-24:00; Feb 29-Mar 1 12:00-13:00; 2100 Feb 27-28 off
		2026 Jan-Mar,2027 Dec 30-2028 Jan 2 Tu-Th,PH 00:00-24:00 open
		Mon 9-17
		Mo 09:00-sunset
	END
}

calling_hours_maxima()
{
	local days spans hour minute

	# The most rules, dates and times of a rule; one too many of each.
	printf 'Mo off%s\n' "$(repeat ';Tu 10:00-26:00' 63)" "$(repeat ';Tu 10:00-26:00' 64)"
	printf 'Dec 1%s off\n' "$(repeat ',Jan 1' 254)" "$(repeat ',Jan 1' 255)"
	printf 'Mo 0:00-0:01%s\n' "$(repeat ',1:00-2:00' 254)" "$(repeat ',1:00-2:00' 255)"

	# Many times that do not touch; the most bytes stored, and too many; the longest text, and a longer one.
	spans=$(for hour in {10..23}; do for minute in {10..56..3}; do
		printf ',%s:%s-%s:%s' "$hour" "$minute" "$hour" $((minute + 2))
	done; done)
	printf 'Mo %s; Tu %s off\n' "${spans:1}" "${spans:1}"
	days=$(printf ',2026 %s-2027 Dec 31' {Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep}\ {1..28} Oct\ {1..3})
	printf '%s off;%s PH off%s\n' "${days:1}" "${days:1}" '' "${days:1}" "${days:1}" ';off'
	printf 'off%*s\n' 14333 '' 14334 ''
}

seeds_policy_text()
{
	seed_lines '' policy_lines
}

seeds_policy_recv()
{
	seed_lines '\001' policy_lines
	seed '\002busy'
}

# Version; numbers of rules, limits and quiets; what those are made of: policy_pack.c. The last has the longest text.
seeds_policy_stored()
{
	local all='\377\377\377\377\1\0\0\0' delay='\377\2\314\22' limit='\102\17\47\377\2\314\22' quiet='\101\377\2\314\22'

	seed '\1\1\0\0\0\0\0\0'
	seed '\1\2\1\1\43\5\0\0\0\0\0\0\0\2\74\0\0\0\20\16\0\0\5\0\20\0\0\0\100\3\0\0\0\0\0\101\200\72\11\0'
	seed '\1\1\0\1\4\7\0\1x\2yy\1z\1\74\0\0\0\2\0\104\2\0\1z\1\0\0\0'
	seed "\1\2\0\0$(repeat "\43$all\20$(repeat "$delay" 16)\17\47" 2)"
	seed "\1\77\20\20$(repeat "\43$all\20$(repeat "$delay" 16)\17\47" 62)\4\314\14$(repeat '\2--' 1092)\0\0\0$(
		)$(repeat "$limit" 16)$(repeat "$quiet" 16)"
}

seeds_calling_hours_text()
{
	seed_lines '' calling_hours_lines
	seed_lines '' calling_hours_maxima
}

seeds_calling_hours_recv()
{
	seed_lines '\001' calling_hours_lines
	seed_lines '\001' calling_hours_maxima
	seed '\00224/7'
}

# Write a number as printf takes its bytes, the low one first.
bytes()
{
	local number=$1 size=$2 i

	for ((i = 0; i < size; i++)); do
		printf '\\%03o' $((number >> (8 * i) & 255))
	done
}

# Write a question as printf takes its bytes (calling_hours_next.c): from a minute since 2000, scaled, and how long.
question()
{
	bytes "$1" 4
	bytes 0x08040201 4
	bytes 7 4
	bytes "$3" 2
	bytes "$2" 2
}

# From 2026, the turn of 2000, leap days and a day that is none, the first year, the last of four digits, the end, a year
# that 16 bits would take for 2026, and long ago.
seeds_calling_hours_next()
{
	local when

	seed_lines "$(question 13758720 0 16000)" calling_hours_maxima
	for when in '13758720 0 16000' '-720 0 16000' '82080 0 5000' '52675200 0 5000' '210458880 0 5000' '-1051371360 0 5000' \
		'2103791760 1 16000' '0x7fffffff 6 16000' '538785648 6 65535' '-1765112400 1 16000'; do
		# shellcheck disable=SC2086
		seed_lines "$(question $when)" calling_hours_lines
	done
}

# A policy, two numbers of which one is suppressed, and a few calls: busy, answered with a result, unallocated.
seeds_judge()
{
	local calls='\1\0\1\0\0\1\0\20\0\0\0\0\1\2\0\0\2\0\20\0\0\0\11\0\1\0\0\3\0\20\0\0\0\1\2\1\0\0\4\0\20\0\0\0'

	local line

	while IFS= read -r line; do
		seed "%s\\0\\1\\2\\0$calls$calls" "$line"
	done < <(policy_lines)
	seed "failed max 2 next number; limit 3 per number; limit 1 per day per number; quiet 2 h after busy per number\\0\\2\\1\\0$calls"
}

if declare -F "seeds_$target" >/dev/null; then
	"seeds_$target"
fi
