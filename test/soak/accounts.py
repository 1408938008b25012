"""
Whether the tables agree with what the clients noted: what was acknowledged is there once, what failed is not there, and
what nobody knows of is there once or not at all.

A call is known by its code, a permit by its token, a contact that was added by its reference.
"""
import collections

# How often something may be there after each answer.
ALLOWED = {'ok': {1}, 'error': {0}, 'doubt': {0, 1}}


def reports_of(noted):
	"""The reports that were sent, those of a bulk one by one, each with its answer."""
	for what in noted:
		if what['kind'] == 'report':
			yield dict(what, outcome_told=what['rows'][0][0] if what['rows'] else None)
		elif what['kind'] == 'report_many':
			for nth, report in enumerate(what['reports']):
				yield dict(report, answer=what['answer'], outcome_told=what['rows'][nth][0] if what['rows'] else None)


def best(answers):
	"""What is known of something that was asked for several times: that it was done, if any answer says so."""
	return 'ok' if 'ok' in answers else 'doubt' if 'doubt' in answers else 'error'


class Accounts:
	"""The notes of a load, beside the tables. The clients are at rest."""

	def __init__(self, load):
		self.noted, self.faults = load.noted, []
		self.calls, self.permits, self.contacts, self.recycles = (load.server.ask(load.database, query) for query in (
			'SELECT tenant_id, contact_id, attempt, token, raw_code, assumed FROM recall.call',
			"SELECT tenant_id, contact_id, token FROM recall.dial WHERE state <> 'ready'",
			'SELECT tenant_id, reference, count(*) FROM recall.contact GROUP BY 1, 2',
			'SELECT tenant_id, recycle_id, state::text FROM recall.recycle'))

	def check(self):
		"""Give what does not agree, as texts."""
		self.check_calls()
		self.check_tokens()
		self.check_contacts()
		self.check_recycles()
		return self.faults

	def fault(self, text, *particulars):
		self.faults.append(': '.join([text, *map(str, particulars)]))

	def check_calls(self):
		"""Each code is there as often as its answers allow, and no other is."""
		times = collections.Counter(code for *_, code, assumed in self.calls if code)
		answers, attempts = collections.defaultdict(list), {}
		for report in reports_of(self.noted):
			answers[report['code']].append(report['answer'])
			if report['answer'] == 'ok' and report['outcome_told'] != 'recorded' and answers[report['code']][:-1].count('doubt') == 0:
				self.fault('a report was answered by something else than "recorded"', report)
		for what in self.noted:
			if what['kind'] == 'record_call':
				answers[what['code']].append(what['answer'])
				if what['answer'] == 'ok':
					attempts[what['code']] = what['rows'][0][0]
		for code, given in answers.items():
			if times[code] not in ALLOWED[best(given)]:
				self.fault(f'a call that was answered by "{best(given)}" is there {times[code]} times', code)
		for code in times.keys() - answers.keys():
			self.fault('a call is there that nobody asked for', code)
		for tenant, contact, attempt, token, code, assumed in self.calls:
			if code in attempts and attempts[code] != attempt:
				self.fault('a call is under another attempt than was said', code, attempt)
			if bool(code) == assumed:
				self.fault('a call was assumed and reported, or neither', tenant, contact, attempt)

	def check_tokens(self):
		"""What was handed out is a call, is out, or was released: one of these, once."""
		places = collections.defaultdict(list)
		for tenant, contact, _, token, _, assumed in self.calls:
			if token is not None:
				places[tenant, contact, token].append('assumed' if assumed else 'reported')
		for tenant, contact, token in self.permits:
			places[tenant, contact, token].append('out')

		allowed = collections.Counter()
		for what in self.noted:
			if what['kind'] == 'claim':
				if len(what['rows']) > what['wanted']:
					self.fault('a claim gave more than was asked for', what)
				allowed.update((what['tenant'], contact, token) for contact, token in what['rows'])
		ended = collections.defaultdict(list)
		for report in reports_of(self.noted):
			ended[report['tenant'], report['contact'], report['token']].append(('report', report['answer']))
		for what in self.noted:
			if what['kind'] == 'release':
				ended[what['tenant'], what['contact'], what['token']].append(('release', what['answer']))
		for permit, times in allowed.items():
			if times > 1:
				self.fault('a permit was handed out twice', permit)
			self.check_token(permit, places.pop(permit, []), dict(ended[permit][-1:]), ended[permit])

		# What is left was handed out by claims whose answer was lost; nobody has its token, so nobody reported it.
		lost = sum(what['wanted'] for what in self.noted if what['kind'] == 'claim' and what['answer'] == 'doubt')
		if len(places) > lost:
			self.fault(f'{len(places)} permits were handed out to nobody, {lost} can have been', list(places)[:5])
		for permit, found in places.items():
			if found not in (['out'], ['assumed']):
				self.fault('a permit that nobody knows of was reported', permit, found)

	def check_token(self, permit, found, last, ended):
		done = best([answer for _, answer in ended]) if ended else 'error'
		may_be = {
			('report', 'ok'): (['reported'],),
			('report', 'doubt'): (['reported'], ['out'], ['assumed']),
			('release', 'ok'): ([],),
			('release', 'doubt'): ([], ['out'], ['assumed']),
		}.get((ended[0][0] if ended else None, done), (['out'], ['assumed']))
		if found not in may_be:
			self.fault('a permit is not where it should be', permit, found, last, f'one of {may_be}')

	def check_contacts(self):
		"""A contact that was added is there; of a bulk all are or none."""
		times = {(tenant, reference): many for tenant, reference, many in self.contacts}
		for what in self.noted:
			if what['kind'] == 'add_contact':
				found = times.pop((what['tenant'], what['code']), 0)
				if found not in {how_often * what['many'] for how_often in ALLOWED[what['answer']]}:
					self.fault(f"of {what['many']} contacts {found} are there", what['code'], what['answer'])
		for tenant, reference in times:
			if reference != 'first':
				self.fault('a contact is there that nobody added', tenant, reference)

	def check_recycles(self):
		"""A record that was asked for is there, and one that was cancelled is cancelled."""
		states = {(tenant, recycle): state for tenant, recycle, state in self.recycles}
		asked = [what for what in self.noted if what['kind'] == 'recycle' and what['answer'] != 'error']
		known = {(what['tenant'], what['rows'][0][0]) for what in asked if what['answer'] == 'ok'}
		if known - states.keys():
			self.fault('records that were asked for are not there', known - states.keys())
		if len(states.keys() - known) > len([what for what in asked if what['answer'] == 'doubt']):
			self.fault('records are there that nobody asked for', states.keys() - known)
		for what in self.noted:
			if what['kind'] == 'cancel_recycle' and what['answer'] == 'ok' and states.get((what['tenant'], what['recycle'])) != 'cancelled':
				self.fault('a record that was cancelled is not', what['tenant'], what['recycle'])
