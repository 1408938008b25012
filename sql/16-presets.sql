/*
 * Presets: policies and calling hours to take and edit. They are values and nothing else: no code treats a preset
 * differently from what a user writes. Each says where it comes from, "second-hand" where the text of the law itself
 * was not at hand, and what it leaves out.
 */

CREATE FUNCTION recall.policy_presets(OUT name text, OUT policy recall.policy, OUT description text, OUT source text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 9
BEGIN ATOMIC
	SELECT p.name, p.policy, p.description || ' An example, not legal advice.', p.source
	FROM (VALUES
		('story', 'busy, no_answer; result callback'::recall.policy,
			'Two lists: a call is recalled when its failure cause is in the one or its business result in the other, at once and '
			'without an end. The tenant must have the business result "callback", or put its own in its place.',
			'The story of the README.'),
		('default', 'busy after 10 min, 1 h, 4 h; no_answer, no_response, absent, powered_off, machine after 4 h, 21 h next number; '
			'class network after 15 min, 1 h; limit 6; limit 2 per day',
			'A start for sales and surveys: six calls in all, two a day. In the data 96 % of the sales came by the fifth call, and '
			'the calls after the sixth, 11 % of all, brought 2.4 % of the sales. 21 h and not a day, so that the next call comes '
			'at another hour. Leaves out what the law asks where the callee is.',
			'Limit: 105 754 calls to 41 188 contacts, UCI Bank Marketing (S. Moro, P. Cortez, P. Rita, Decision Support Systems 62, '
			'2014, 22-31). The delays are a choice.'),
		('gentle', 'busy after 2 h; no_answer, no_response, absent, powered_off, machine after 21 h, 3 days next number; '
			'class rejected never; limit 6; limit 1 per day; limit 3 per 7 days',
			'For customers whom one wants to keep: as "default", but one call a day, three in a week, and none any more to somebody '
			'who rejected one. Leaves out what the law asks where the callee is.',
			'Limit of six: as "default". The rest is a choice.'),
		('us_regulation_f', 'failed; limit 7 per 7 days; quiet 7 days after answered',
			'Debt collection in the United States: at most seven calls within seven consecutive days to a person about a debt, and '
			'none within seven after a conversation, its day included. A contact has to be one person and one debt: the limits '
			'count over all its numbers, therefore not "per number". Stricter than the rule: calls that did not connect count, any '
			'answered call is a conversation, and the seven days are 168 hours. Leaves out conversations that are not recorded '
			'here, such as those that the consumer began, requests to call no more, and the laws of the states. "failed" stands '
			'for rules of your own. The hours: calling_hours_presets().',
			'12 CFR 1006.14(b)(2)(i) (Regulation F), a presumption of compliance with 15 U.S.C. 1692d(5); exclusions in (b)(3), second-hand.'),
		('us_florida', 'failed; limit 3 per 24 h',
			'Telephone sales in Florida: at most three calls to a person in 24 hours on the same subject, whatever number they come '
			'from. The limit counts each contact; for people who are contacts twice add "limit 3 per 24 h per number", which counts '
			'other subjects, too. Leaves out the consent that automated calls need (501.059(8)(a)), the lists of those who want no '
			'calls, and who is exempt. "failed" stands for rules of your own. The hours: calling_hours_presets().',
			'Fla. Stat. 501.616(6)(b), as in the bill that made it, SB 1120 of 2021; 501.059(8)(a) second-hand.'),
		('us_oklahoma', 'failed; limit 3 per 24 h',
			'Telephone sales in Oklahoma, as "us_florida". Leaves out the consent that automated calls need, and who is exempt '
			'(15 O.S. 775C.5).',
			'Telephone Solicitation Act of 2022 (HB 3168), 15 O.S. 775C.1 and following; the limit and its section, 775C.4, '
			'second-hand.'),
		('us_maryland', 'failed; limit 3 per 24 h',
			'Telephone sales in Maryland, as "us_florida"; text messages count, too, and recall does not see them. Leaves out the '
			'consent that automated calls need, and who is exempt.',
			'Md. Code, Com. Law 14-4501 and 14-4502, Stop the Spam Calls Act of 2023; the limit second-hand.'),
		('uk_ofcom', 'failed; quiet 24 h after machine per number; quiet 3 days after abandoned_by_dialer per number',
			'Automatic dialling in the United Kingdom: a number that got an abandoned call is left alone for 72 hours, one where a '
			'machine was detected, perhaps wrongly, for 24. Stricter than the rule, which allows a call with an agent guaranteed. '
			'Leaves out the rate of abandoned calls, the message that is due in them, how long to let it ring, and the Telephone '
			'Preference Service. "failed" stands for rules of your own.',
			'Ofcom, Persistent misuse: a statement under section 131 of the Communications Act 2003, in force from 1 March 2017; '
			'the times second-hand, from its earlier statements, that of 2010 for the machine.'),
		('france', 'failed; limit 4 per 30 days; limit 4 per 30 days per number; quiet 61 days after result refused; '
			'quiet 61 days after result refused per number',
			'Unsolicited sales calls in France: at most four tries per consumer in 30 calendar days, and none for 60 whole calendar '
			'days after a refusal; 61, because the day of the refusal is not one of them. Both once for the contact, which may have '
			'several numbers, and once for the number, which several contacts may have. The refusal is a business result: the '
			'tenant must have "refused", or put its own in its place, and agents must record it. Leaves out the consent that such '
			'calls need from 11 August 2026 (loi 2025-594, second-hand), and until then the list Bloctel. "failed" stands for rules '
			'of your own. The hours: calling_hours_presets().',
			'Code de la consommation, art. D. 223-9 (décret 2022-1313 du 13 octobre 2022).')
	) AS p (name, policy, description, source);
END;
COMMENT ON FUNCTION recall.policy_presets() IS
'Policies to take and edit: plain ones, and what laws ask. source: the statute and section, "second-hand" where its own text was not read; description: what the policy means and what it leaves out. Examples and not legal advice: laws change, and where several apply the strictest wins.';

CREATE FUNCTION recall.calling_hours_presets(
	OUT name text, OUT calling_hours recall.calling_hours, OUT description text, OUT source text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 11
BEGIN ATOMIC
	SELECT h.name, h.calling_hours, h.description || ' An example, not legal advice.', h.source
	FROM (VALUES
		('us_tcpa', '08:00-21:00'::recall.calling_hours,
			'Telephone sales to homes in the United States. Leaves out states that are stricter, such as us_florida, and those '
			'that forbid Sundays or holidays.',
			'47 CFR 64.1200(c)(1); the same hours in 16 CFR 310.4(c), second-hand.'),
		('us_regulation_f', '08:00-21:00',
			'Debt collection in the United States, unless the collector knows that the consumer finds another time inconvenient: '
			'that is for the contact, and left out here.',
			'12 CFR 1006.6(b)(1)(i) (Regulation F), 15 U.S.C. 1692c(a)(1).'),
		('us_florida', '08:00-20:00',
			'Telephone sales in Florida, a state with two time zones: give contacts their own. How often: '
			'policy_presets().',
			'Fla. Stat. 501.616(6)(a).'),
		('us_oklahoma', '08:00-20:00',
			'Telephone sales in Oklahoma. How often: policy_presets().',
			'Telephone Solicitation Act of 2022 (HB 3168), 15 O.S. 775C.1 and following; the hours and their section, 775C.4, '
			'second-hand.'),
		('us_maryland', '08:00-20:00',
			'Telephone sales in Maryland. How often: policy_presets().',
			'Md. Code, Com. Law 14-4502, Stop the Spam Calls Act of 2023; the hours second-hand.'),
		('canada', 'Mo-Fr 09:00-21:30; Sa,Su 10:00-18:00',
			'Telemarketing in Canada. Leaves out provinces that are stricter, and the National Do Not Call List.',
			'CRTC, Unsolicited Telecommunications Rules, part III; the hours from the CRTC''s page of key rules.'),
		('france', 'Mo-Fr 10:00-13:00,14:00-20:00; PH off',
			'Unsolicited sales calls in France. PH are the holidays of art. L. 3133-1 of the Code du travail: give them to '
			'set_holidays() each year, or they are days like others. How often: policy_presets().',
			'Code de la consommation, art. D. 223-9 (décret 2022-1313 du 13 octobre 2022).'),
		('spain', 'Mo-Fr 09:00-21:00; PH off',
			'Commercial calls in Spain. PH are the holidays where the callee is, national, regional and local: give them to '
			'set_holidays(). Leaves out the consent or other ground that a call needs.',
			'Real Decreto Legislativo 1/2007 (Ley General para la Defensa de los Consumidores y Usuarios), art. 96.2; quoted second-hand.'),
		('australia_telemarketing', 'Mo-Fr 09:00-20:00; Sa 09:00-17:00; PH off',
			'Telemarketing in Australia, without Sundays. PH are the national public holidays: give them to set_holidays(). Leaves '
			'out consent to another time, and the Do Not Call Register.',
			'Telecommunications (Telemarketing and Research Calls) Industry Standard 2017; the hours from the regulator''s page '
			'donotcall.gov.au, the holidays second-hand.'),
		('australia_research', 'Mo-Fr 09:00-20:30; Sa,Su 09:00-17:00; PH off',
			'Opinion polls and research in Australia. PH are the national public holidays: give them to set_holidays().',
			'Telecommunications (Telemarketing and Research Calls) Industry Standard 2017; the hours from the regulator''s page '
			'donotcall.gov.au, the holidays second-hand.'),
		('china', '09:00-21:00',
			'Commercial calls in China, as carriers ask. Leaves out the consent that they need, and the carriers'' limits of '
			'frequency, which differ.',
			'Second-hand: terms of carriers; no statute with these hours was found.')
	) AS h (name, calling_hours, description, source);
END;
COMMENT ON FUNCTION recall.calling_hours_presets() IS
'Calling hours to take and edit, as laws ask for them, in the callee''s time zone. source: the statute and section, "second-hand" where its own text was not read; description: what the hours are for and what they leave out. Where they say PH, the holidays come from recall.set_holidays(). Examples and not legal advice: laws change, and where several apply the strictest wins.';
