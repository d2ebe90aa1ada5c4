// The rest of the parts, the verdict, and what keeps the page up to date.

const SOON_DAYS = 14;
const days = (text, now) => (new Date(text) - now) / 86400000;

function configuration({ configuration: c, reloads }, now) {
  const kinds = { ok: 'good', invalid: 'bad', restart_needed: 'warn' };
  const reload = (r) => [when(r.at, now), [state(r.result, kinds[r.result] || 'warn'), r.problem && ` ${r.problem}`,
    r.mistakes.map((mistake) => make('span', { class: 'note' }, mistake))]];
  return make('section', { id: 'configuration' }, make('h2', null, 'Configuration in force'),
    facts([['file', c.file], ['loaded', when(c.loaded, now)], ['fingerprint', make('code', null, c.fingerprint)],
      ['routes', count(c.routes)],
      ['listeners', c.listeners.map((l) => make('div', null, make('code', null, l.address), l.tls ? ' TLS' : ' plain'))]]),
    reloads.length > 0 && table('reloads, newest first', [['when', 'at'], ['result']], reloads.map(reload)));
}

function certificates({ certificates: list }, now) {
  if (!list.length) return null;
  const row = (c) => {
    const left = c.not_after && days(c.not_after, now);
    const standing = left === null ? state('authorities only', 'good') : left < 0 ? state('expired', 'bad')
      : left < SOON_DAYS ? state('expires soon', 'warn') : state('good', 'good');
    return [make('code', null, c.certificate), standing,
      [when(c.not_after, now), c.problem && make('span', { class: 'note bad' }, c.problem.text),
        c.replaced && make('span', { class: 'note' }, 'replaced ', when(c.replaced, now))]];
  };
  return make('section', { id: 'certificates' }, make('h2', null, 'Certificates'),
    table('in force', [['where'], ['state'], ['expires']], list.map(row)));
}

function program({ version, revision, started, uptime_seconds: up, upgrade: u }, now) {
  return make('section', { id: 'process' }, make('h2', null, 'Process'),
    facts([['version', version], ['revision', make('code', null, revision)], ['started', when(started, now)], ['uptime', span(up)],
      ['took over', u.took_over_at && [when(u.took_over_at, now), u.took_over_from ? ` from process ${u.took_over_from}` : '']],
      ['handing over', u.pending_since && ['since ', when(u.pending_since, now)]],
      ['last upgrade', u.last_failure && make('span', { class: 'bad' }, u.last_failure)]]));
}

/** What somebody should look at though requests are served: `[text, kind]`. */
function concerns(s, now) {
  const list = [];
  const say = (is, text, kind = 'warn') => { if (is) list.push([text, kind]); };
  const a = s.apps;
  say(a.stale && s.verdict !== 'stale', 'The apps are stale', 'bad');
  for (const alarm of a.alarms) say(true, `Alarm of the apps' source: ${alarm}`, 'bad');
  say(a.counts.unusable, `${many(a.counts.unusable, 'app is', 'apps are')} unusable: every request is rejected`, 'bad');
  for (const { name, peers } of s.upstreams) {
    const out = peers.filter((p) => p.state !== 'healthy').length;
    say(out, `${name}: ${count(out)} of ${many(peers.length, 'peer')} out of use`, out === peers.length ? 'bad' : 'warn');
  }
  say(s.reloads.length && s.reloads[0].result !== 'ok', `The last reload was refused (${(s.reloads[0] || {}).result}): the file on disk isn't in force`);
  for (const c of s.certificates) {
    const left = c.not_after ? days(c.not_after, now) : Infinity;
    say(left < SOON_DAYS, `Certificate ${c.certificate} ${left < 0 ? 'has expired' : `expires in ${span(left * 86400)}`}`, left < 0 ? 'bad' : 'warn');
    say(c.problem, `Certificate ${c.certificate}: the files on disk are of no use`);
  }
  say(s.upgrade.last_failure, 'The last upgrade came to nothing');
  return list;
}

function verdict(s, found, now) {
  const look = found.length ? `, ${many(found.length, 'thing needs', 'things need')} a look` : '';
  const since = moment(new Date(now - s.apps.staleness_seconds * 1000), now);
  switch (s.verdict) {
    case 'ready': return [`Ready${look}`, found.length ? 'warn' : 'good'];
    case 'draining': return ['Draining: asked to stop, finishing what is under way', 'warn'];
    case 'stale': return s.ready
      ? [`Serving with stale apps: no contact with their source since ${since}`, 'bad']
      : [`Not serving: the apps are stale, no contact with their source since ${since}`, 'bad'];
    default: return [`Not ready: ${s.not_ready}`, 'bad'];
  }
}

const at = (id) => document.getElementById(id);
const put = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

/** The verdict's line is read out when it changes, and only then. */
function announce(text, kind, found) {
  put('says', text);
  if (at('verdict').className !== kind) at('verdict').className = kind;
  document.title = `${kind === 'good' ? '' : '! '}${text} \u00b7 rtms-gateway`;
  become(at('look'), make('ul', { id: 'look' }, found.map(([what, how]) => make('li', { class: how }, what))));
}

let last = null;

function show(s) {
  const now = new Date(s.now);
  const same = last && last.started === s.started && s.uptime_seconds > last.uptime_seconds;
  const pace = same ? (s.traffic.requests - last.traffic.requests) / (s.uptime_seconds - last.uptime_seconds) : null;
  last = s;
  const found = concerns(s, now);
  announce(...verdict(s, found, now), found);
  put('since', `Up ${span(s.uptime_seconds)}; ${many(s.apps.counts.total, 'app')}; version ${s.version}`);
  document.body.className = '';
  become(at('parts'), make('div', { id: 'parts' },
    traffic(s, pace),
    make('div', { class: 'stack' }, rejections(s), errors(s), limits(s), configuration(s, now)),
    make('div', { class: 'stack' }, apps(s, now), upstreams(s, now), certificates(s, now), program(s, now))));
}

const EVERY = 2000;
const PATIENCE = 5000;
const LONGEST = 30000;
const PAUSED = 'Paused while this page is hidden';
let timer = 0;
let asking = false;
/** The wait before the last attempt that failed; it doubles with each. */
let wait = EVERY / 2;
let answered = null;
let gone = null;

function lost() {
  gone = gone || answered || new Date();
  wait = Math.min(LONGEST, wait * 2);
  const now = new Date();
  document.body.className = 'gone';
  announce(`No answer from the gateway since ${moment(gone, now)}`, 'bad', []);
  put('since', answered ? `What follows is what it said then, ${span((now - gone) / 1000)} ago` : 'It has not answered since this page was opened');
  put('live', `Trying again in ${wait / 1000} s`);
}

async function ask() {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), PATIENCE);
  try {
    const answer = await fetch('/status.json', { cache: 'no-store', signal: stop.signal });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  } finally {
    clearTimeout(late);
  }
}

async function look() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  const said = await ask();
  asking = false;
  // Before anything is drawn: a mistake in drawing must not end the looking.
  timer = setTimeout(look, said ? EVERY : Math.min(LONGEST, wait * 2));
  if (!said) { lost(); return; }
  [answered, gone, wait] = [new Date(), null, EVERY / 2];
  put('live', document.hidden ? PAUSED : `Live, every ${EVERY / 1000} s; ${clock(answered)}`);
  show(said);
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (document.hidden) put('live', PAUSED);
  else look();
});
at('host').textContent = location.host;
look();
