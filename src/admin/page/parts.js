// The parts of the page: each a function from what the gateway says to elements.

const SHOWN_MINUTES = 10;
/** So many in a step fill a chart's height at least: one alone shall not look like a flood. */
const LEAST_FULL = 4;

/** The steps of the last minutes, oldest first, filled up with zeros where the gateway is younger. */
function course(recent, counts) {
  const wanted = (SHOWN_MINUTES * 60) / recent.step_seconds + 1;
  const known = (counts || []).slice(-wanted);
  return [...new Array(wanted - known.length).fill(0), ...known];
}

/** Bars of layers that lie on each other: `[counts, class]`. */
function bars(layers, kind, label) {
  const steps = layers[0][0].length;
  const highest = Math.max(LEAST_FULL, ...layers[0][0].map((_, at) => sum(layers.map(([counts]) => counts[at]))));
  const shapes = [];
  for (let at = 0; at < steps; at += 1) {
    let top = 100;
    for (const [counts, shade] of layers) {
      if (!counts[at]) continue;
      // What happened at all can be seen.
      const height = Math.max(kind === 'spark' ? 12 : 3, (counts[at] / highest) * 100);
      top = Math.max(0, top - height);
      shapes.push(drawn('rect', { class: `b ${shade}`, x: at + 0.1, y: top.toFixed(1), width: 0.8, height: height.toFixed(1) }));
    }
  }
  const box = { class: kind, viewBox: `0 0 ${steps} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label };
  return drawn('svg', box, shapes);
}

function lastMinute(recent, counts) {
  const whole = (counts || []).slice(0, -1).slice(-60 / recent.step_seconds);
  return whole.length ? sum(whole) / (whole.length * recent.step_seconds) : null;
}

const added = (lists, length) => {
  const total = new Array(length).fill(0);
  for (const list of lists) list.forEach((n, at) => { total[at] += n; });
  return total;
};

function traffic({ recent, traffic: totals }, pace) {
  const length = recent.requests.length;
  const [rejected, failed] = [recent.rejections, recent.errors].map((by) => added(Object.values(by), length));
  const [all, no, bad] = [recent.requests, rejected, failed].map((counts) => course(recent, counts));
  const rest = all.map((n, at) => Math.max(0, n - no[at] - bad[at]));
  const share = sum(all) ? `${((sum(no) / Math.max(sum(all), sum(no))) * 100).toFixed(1)} %` : '0';
  const most = Math.max(...all.slice(0, -1), 0) / recent.step_seconds;
  const told = `Requests in the last ${SHOWN_MINUTES} minutes: ${count(sum(all))}, rejected ${count(sum(no))}, errors ${count(sum(bad))}`;
  return make('section', { class: 'wide', id: 'traffic' },
    make('h2', null, 'Requests', make('small', null, `last ${SHOWN_MINUTES} minutes`)),
    tiles([
      ['requests/s now', rate(pace)], ['requests/s, last minute', rate(lastMinute(recent, recent.requests))],
      [`requests, ${SHOWN_MINUTES} min`, sum(all)], ['rejected', sum(no), 'warn'], ['share rejected', share, 'warn'],
      ['errors', sum(bad), 'bad'], ['requests since the start', totals.requests],
    ]),
    bars([[bad, 'e'], [no, 'w'], [rest, '']], 'chart', told),
    make('div', { class: 'axis' }, make('span', null, `${SHOWN_MINUTES} min ago; highest ${rate(most)}/s`),
      make('span', { class: 'key' }, make('span', null, 'forwarded'), make('span', { class: 'w' }, 'rejected'),
        make('span', { class: 'e' }, 'errors')), make('span', null, 'now')));
}

function byReason(id, title, list, recent, by, shade) {
  const rows = list.map((row) => ({ ...row, steps: course(recent, by[row.name]) }))
    .sort((a, b) => sum(b.steps) - sum(a.steps) || b.total - a.total || a.name.localeCompare(b.name));
  const coded = list.some((row) => row.code);
  const columns = [['reason'], coded && ['code', 'n'], ['course', 'draw'], ['10 min', 'n'], ['since start', 'n']].filter(Boolean);
  const cells = ({ name, code, steps, total }) => [word(name), ...(coded ? [code] : []),
    bars([[steps, shade]], 'spark', `${name}, last ${SHOWN_MINUTES} minutes`), count(sum(steps)), count(total)];
  return make('section', { id }, make('h2', null, title),
    rows.length ? table(`${title} by reason, most frequent first`, columns, rows.map(cells)) : make('p', { class: 'none' }, 'none since the start'));
}

function rejections({ recent, traffic: totals }) {
  const list = Object.entries(totals.rejections).map(([name, { code, total }]) => ({ name, code, total }));
  const part = byReason('rejections', 'Rejections', list, recent, recent.rejections, 'w');
  const codes = Object.entries(totals.by_code).sort((a, b) => b[1] - a[1]);
  if (codes.length) {
    part.append(make('p', { class: 'codes soft' }, 'By code, since the start: ', codes.map(([code, n], at) =>
      [at ? ', ' : '', make('b', null, code), ` ${count(n)}`])));
  }
  return part;
}

function errors({ recent, traffic: totals }) {
  const list = Object.entries(totals.errors).map(([name, total]) => ({ name, total }));
  return byReason('errors', 'Errors', list, recent, recent.errors, 'e');
}

function limits({ recent, traffic: totals }) {
  const list = Object.entries(totals.limited).map(([name, total]) => ({ name, total }));
  return list.length > 0 && byReason('limits', 'Limits hit', list, recent, recent.limited, 'w');
}

function apps({ apps: a }, now) {
  const seen = new Date(now - a.staleness_seconds * 1000);
  const current = a.stale
    ? [state('stale', 'bad'), ` no contact since ${moment(seen, now)} (${span(a.staleness_seconds)})`]
    : [state('current', 'good'), ` confirmed ${span(a.staleness_seconds)} ago`];
  const c = a.counts;
  const load = a.last_load;
  return make('section', { id: 'apps' }, make('h2', null, 'Apps', make('small', null, many(c.total, 'document'))),
    tiles([['JWT', c.jwt], ['open', c.open], ['disabled', c.disabled], ['unusable', c.unusable, 'bad'],
      ['weak secrets', a.weak.short + a.weak.trailing_nul, 'warn']]),
    facts([
      ['in force', current],
      ['source', [a.from, a.server && make('span', { class: 'note' }, a.server)]],
      ['feed', [a.phase, make('span', { class: 'note' }, `${many(a.resumes, 'resume')}, ${many(a.failures, 'failure')}`)]],
      ['last published', when(a.last_published, now)],
      ['propagation', a.last_lag_seconds !== null && `${span(a.last_lag_seconds)}, from the last write to its being in force`],
      ['last full load', load && [when(load.at, now), make('span', { class: 'note' },
        `${load.cause}, ${many(load.documents, 'document')}, took ${span(load.took_seconds)}`)]],
      ['alarms', a.alarms.length > 0 && a.alarms.map((alarm) => [state(alarm, 'bad'), ' '])],
      ['last error', a.last_error && [a.last_error.text, make('span', { class: 'note' }, when(a.last_error.at, now))]],
      ['cache file', a.cache && [a.cache.path, make('span', { class: 'note' }, a.cache.written_at ? ['written ', when(a.cache.written_at, now)] : 'not written yet'),
        a.cache.refused && make('span', { class: 'note bad' }, a.cache.refused),
        a.cache.write_error && make('span', { class: 'note bad' }, a.cache.write_error.text),
        a.cache.in_use_since && make('span', { class: 'note warn' }, 'in use since ', when(a.cache.in_use_since, now))]],
    ]),
    a.unusable.length > 0 && table(
      c.unusable > a.unusable.length ? `unusable apps, the first ${a.unusable.length} of ${count(c.unusable)}` : 'unusable apps',
      [['appId or _id'], ['what is wrong']], a.unusable.map(({ app, fault }) => [make('code', null, app), fault])));
}

const PEER_STATES = { healthy: 'good', ejected: 'warn', unhealthy: 'bad', unresolved: 'bad' };

function peer(p, now) {
  const faults = Object.entries(p.attempts).filter(([outcome]) => outcome !== 'ok' && outcome !== 'client_closed');
  const names = p.resolved.filter((address) => address !== p.address);
  return [
    [make('code', null, p.address), make('div', null, state(p.state, PEER_STATES[p.state] || 'bad')), names.length > 0 && make('span', { class: 'note' }, names.join(', ')),
      p.fault && make('span', { class: 'note bad' }, p.fault),
      p.ejected_until && make('span', { class: 'note warn' }, 'until ', when(p.ejected_until, now))],
    count(p.requests), count(p.attempts.ok || 0),
    [count(sum(faults.map(([, n]) => n))), faults.map(([outcome, n]) => make('span', { class: 'note' }, word(outcome), ` ${count(n)}`))],
  ];
}

function upstreams({ upstreams: list, configuration }, now) {
  const told = (name) => {
    const c = configuration.upstreams.find((upstream) => upstream.name === name);
    return c ? `${name}: ${c.protocol}${c.tls ? ' over TLS' : ''}` : name;
  };
  const columns = [['peer'], ['under way', 'n'], ['answered', 'n'], ['faults', 'n']];
  return make('section', { id: 'upstreams' }, make('h2', null, 'Upstreams'),
    list.map(({ name, peers }) => make('div', { class: 'upstream' }, table(told(name), columns, peers.map((p) => peer(p, now))))));
}
