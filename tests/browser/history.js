// Ten minutes of traffic in front of what the gateway really says, for pictures: nobody waits for them in a test.
{
  const ask = window.fetch;
  window.fetch = async (...call) => {
    const answer = await ask(...call);
    const addresses = ['10.0.0.11:8080', '10.0.0.12:8080', 'rtms-3.internal:8080'];
    let text = (await answer.text()).replaceAll(/\/tmp\/[^\/"]*/g, '/etc/rtms-gateway');
    JSON.parse(text).upstreams[0].peers.forEach((peer, at) => { text = text.replaceAll(peer.address, addresses[at]); });
    JSON.parse(text).configuration.listeners.forEach((listener, at) => { text = text.replaceAll(listener.address, `0.0.0.0:${at ? 8443 : 8080}`); });
    const said = JSON.parse(text);
    const ago = (minutes) => new Date(new Date(said.now) - minutes * 60000).toISOString();
    let seed = 7;
    const random = () => { seed = (seed * 16807) % 2147483647; return seed / 2147483647; };
    const steps = Array.from({ length: 61 }, (_, at) => at);
    const about = (mean, shape = () => 1) => steps.map((at) => Math.round(mean * shape(at) * (0.8 + 0.4 * random()) * (at === 60 ? 0.4 : 1)));
    const { recent, traffic } = said;
    recent.requests = about(640, (at) => 1 + 0.25 * Math.sin(at / 9));
    recent.rejections = {
      token_expired: about(14), signature_invalid: about(70, (at) => (at > 33 && at < 45 ? 1 : 0.01)), token_missing: about(5),
      user_mismatch: about(1.2), app_unusable: about(9, (at) => (at > 46 ? 1 : 0)), route_unknown: about(1, (at) => (at % 7 ? 0 : 1)),
      rate_limited: about(26, (at) => (at > 20 && at < 26 ? 1 : 0)),
    };
    recent.errors = { upstream_unavailable: about(7, (at) => (at > 47 && at < 52 ? 1 : 0)) };
    recent.limited = { requests_per_app: recent.rejections.rate_limited };
    const codes = { token_expired: '40', token_missing: '39', route_unknown: '4', rate_limited: '4' };
    const sum = (list) => list.reduce((total, n) => total + n, 0);
    traffic.requests = 1290000 + sum(recent.requests) + Math.floor(said.uptime_seconds * 62);
    traffic.by_code = {};
    for (const [reason, counts] of Object.entries(recent.rejections)) {
      const code = codes[reason] || '38';
      traffic.rejections[reason] = { code, total: sum(counts) * 23 };
      traffic.by_code[code] = (traffic.by_code[code] || 0) + sum(counts) * 23;
    }
    traffic.errors.upstream_unavailable = sum(recent.errors.upstream_unavailable) + 12;
    traffic.limited.requests_per_app = sum(recent.limited.requests_per_app) * 2;
    for (const { peers } of said.upstreams) {
      for (const [at, peer] of peers.entries()) {
        peer.attempts = peer.state === 'healthy' ? { ok: 431207 + 911 * at, timeout: 3 + at } : { ok: 388112, connect_failed: 61, reset: 4 };
      }
    }
    said.uptime_seconds += 6 * 3600 + 421;
    said.started = new Date(new Date(said.now) - said.uptime_seconds * 1000).toISOString();
    said.apps.last_load.at = said.apps.ready_since = ago(367);
    said.apps.last_published = ago(8);
    said.configuration.loaded = said.reloads[0].at = ago(112);
    said.reloads.push({ at: ago(115), result: 'invalid', problem: '1 mistake; `check` prints it', mistakes: ['/etc/rtms-gateway/gateway.yaml: upstreams.rtms.retry: is not a key here; did you mean `retries`?'] });
    said.revision = '9f31c02';
    return { ok: true, json: async () => said };
  };
}
