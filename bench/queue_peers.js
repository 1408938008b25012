// Drives the queues that are libraries for Node.js, for queue.sh, which says what is measured.
//
//   node queue_peers.js graphile-worker|pg-boss prepare
//   node queue_peers.js graphile-worker|pg-boss run BATCH CLIENTS SECONDS
//
// prepare makes the library's tables in the database PGDATABASE; for pg-boss it also puts in the rows that it reads (for
// graphile-worker that is done by its SQL function). run prints the seconds that passed. The work is shared among
// processes, which begin together.
'use strict';
const { fork } = require('node:child_process');
const os = require('node:os');
const readline = require('node:readline');
const { performance } = require('node:perf_hooks');

const [library, command, batch, clients, seconds] = [...process.argv.slice(2, 4), ...process.argv.slice(4).map(Number)];
const database = { host: process.env.PGHOST || '/var/run/postgresql', port: Number(process.env.PGPORT || 5432),
	user: process.env.PGUSER || os.userInfo().username, database: process.env.PGDATABASE };

function boss(options) {
	const PgBoss = require('pg-boss');
	const made = new PgBoss({ ...database, supervise: false, schedule: false, ...options });
	made.on('error', (error) => { throw error; });
	return made;
}

const quiet = () => new (require('graphile-worker').Logger)(() => (level, message) => {
	if (level === 'error')
		console.error(message);
});

const peers = {
	'pg-boss': {
		async prepare() {
			const queue = boss({ max: 1 });
			await queue.start();
			await queue.createQueue('call');
			let jobs = [];
			const flush = async () => { await queue.insert(jobs); jobs = []; };
			for await (const line of readline.createInterface({ input: process.stdin })) {
				const [number, contact, attempt, priority, due] = line.split('\t');
				jobs.push({ name: 'call', priority: Number(priority), startAfter: new Date(due).toISOString(),
					data: { contact_id: Number(contact), number, attempt: Number(attempt) } });
				if (jobs.length === 10000)
					await flush();
			}
			if (jobs.length > 0)
				await flush();
			await queue.stop({ graceful: false });
		},

		// As many loops as clients, each with a connection of its own.
		async open(loops) {
			const queue = boss({ max: loops, migrate: false });
			await queue.start();
			const loop = async (until) => {
				for (let empty = 0; performance.now() < until && empty < 20;) {
					const jobs = await queue.fetch('call', { batchSize: batch });
					if (jobs.length > 0)
						await queue.complete('call', jobs.map((job) => job.id));
					empty = jobs.length > 0 ? 0 : empty + 1;
				}
			};
			return {
				async work() {
					const begin = performance.now();
					await Promise.all(Array.from({ length: loops }, () => loop(begin + seconds * 1000)));
					return begin;
				},
				close: () => queue.stop({ graceful: false }),
			};
		},
	},

	'graphile-worker': {
		async prepare() {
			await require('graphile-worker').runMigrations({ preset: { worker: { connectionString: connection() } }, logger: quiet() });
		},

		async open(loops) {
			const { run } = require('graphile-worker');
			const { EventEmitter } = require('node:events');
			const batched = batch > 1 ? { localQueue: { size: batch }, completeJobBatchDelay: 0 } : {};
			return {
				// It stops when the time is over, or when a job was looked for in vain.
				async work() {
					const events = new EventEmitter();
					const begin = new Promise((resolve) => events.once('worker:getJob:start', () => resolve(performance.now())));
					const dry = new Promise((resolve) => {
						events.on('worker:getJob:empty', resolve);
						events.on('localQueue:getJobs:complete', ({ jobs }) => jobs.length === 0 && resolve());
					});
					const runner = await run({ preset: { worker: { connectionString: connection(), concurrentJobs: loops, maxPoolSize: Math.max(loops, 2) + 1,
						...batched } }, taskList: { call: () => {} }, noHandleSignals: true, logger: quiet(), events });
					const ended = runner.promise.catch(() => {});
					await begin;
					await Promise.race([dry, new Promise((resolve) => setTimeout(resolve, seconds * 1000))]);
					await runner.stop();
					await ended;
					return begin;
				},
				async close() {},
			};
		},
	},
};

function connection() {
	const host = encodeURIComponent(database.host);
	const password = process.env.PGPASSWORD ? ':' + encodeURIComponent(process.env.PGPASSWORD) : '';
	return `postgres://${encodeURIComponent(database.user)}${password}@/${database.database}?host=${host}&port=${database.port}`;
}

async function child(loops) {
	const peer = await peers[library].open(loops);
	process.once('message', async () => {
		const begin = await peer.work();
		process.send((performance.now() - begin) / 1000);
		await peer.close();
		process.disconnect();
		process.exit(0);
	});
	process.send('ready');
}

async function parent() {
	const count = Math.min(clients, os.cpus().length);
	const took = [];
	const processes = Array.from({ length: count }, (_, i) =>
		fork(__filename, process.argv.slice(2), { env: { ...process.env, LOOPS: Math.floor(clients / count) + (i < clients % count ? 1 : 0) } }));
	let ready = 0;
	for (const one of processes) {
		one.on('exit', (code) => { if (code !== 0) process.exit(1); });
		one.on('message', (message) => {
			if (message !== 'ready')
				took.push(message);
			else if (++ready === count)
				processes.forEach((each) => each.send('go'));
		});
	}
	await Promise.all(processes.map((one) => new Promise((resolve) => one.on('exit', resolve))));
	console.log(Math.max(...took).toFixed(6));
}

if (process.env.LOOPS)
	child(Number(process.env.LOOPS));
else if (command === 'prepare')
	peers[library].prepare();
else
	parent();
