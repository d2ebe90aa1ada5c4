//! What the apps feed tells, as metrics: its events as they come, its state when somebody scrapes.
//!
//! Both come from outside the request path, so labels are looked up as they are needed.

use std::time::Duration;

use super::families::AppsFamilies;
use super::metrics::Metrics;
use crate::apps::Counts;
use crate::apps::feed::{Alarm, Change, Events, ReloadCause, Status};

/// Makes every series that the feed can touch, at zero.
pub fn start_at_zero(families: &AppsFamilies) {
    for kind in Change::ALL {
        families.changes.with_label_values(&[kind.as_str()]);
    }
    for cause in ReloadCause::ALL {
        families.reloads.with_label_values(&[cause.as_str()]);
    }
    for alarm in Alarm::ALL {
        families.alarm.with_label_values(&[alarm.as_str()]);
    }
    count(families, Counts::default());
}

fn count(families: &AppsFamilies, counts: Counts) {
    // No `..`: a new state must find its label here.
    let Counts { jwt, open, disabled, unusable, short_keys, nul_keys } = counts;
    for (state, n) in [("jwt", jwt), ("open", open), ("disabled", disabled), ("unusable", unusable)] {
        families.states.with_label_values(&[state]).set(gauge(n));
    }
    for (kind, n) in [("short", short_keys), ("trailing_nul", nul_keys)] {
        families.weak.with_label_values(&[kind]).set(gauge(n));
    }
}

fn gauge(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Takes over what grows or stands without an event: ages and alarms. Called just before [`Metrics::render`].
    pub fn observe(&self, feed: &Status, max_staleness: Duration) {
        let families = &self.families.apps;
        families.staleness.set(feed.staleness().as_secs_f64());
        families.stale.set(f64::from(u8::from(feed.stale(max_staleness))));
        families.position_age.set(feed.position_age().unwrap_or_default().as_secs_f64());
        families.cache_age.set(feed.cache_age().map_or(f64::NAN, |age| age.as_secs_f64()));
        for alarm in Alarm::ALL {
            families.alarm.with_label_values(&[alarm.as_str()]).set(feed.alarm(*alarm).into());
        }
    }

    /// Full loads since the start, by cause; those that never happened are left out.
    pub fn reloads(&self) -> impl Iterator<Item = (ReloadCause, u64)> + '_ {
        let count = |cause: &ReloadCause| self.families.apps.reloads.with_label_values(&[cause.as_str()]).get();
        ReloadCause::ALL.iter().map(move |cause| (*cause, count(cause))).filter(|(_, n)| *n > 0)
    }
}

impl Events for Metrics {
    fn changed(&self, kind: Change) {
        self.families.apps.changes.with_label_values(&[kind.as_str()]).inc();
    }

    fn reloaded(&self, cause: ReloadCause) {
        self.families.apps.reloads.with_label_values(&[cause.as_str()]).inc();
    }

    fn propagated(&self, lag: Duration) {
        self.families.apps.propagation.observe(lag.as_secs_f64());
    }

    fn counts(&self, counts: Counts) {
        count(&self.families.apps, counts);
    }

    fn resumed(&self) {
        self.families.apps.resumes.inc();
    }

    /// Nothing to count: `rtms_apps{state="unusable"}` says how many there are, the feed logs which.
    fn unusable(&self, _app: &str, _fault: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_feed_tells_is_counted_under_its_own_words() {
        let metrics = Metrics::new(&[], &[]).unwrap();
        metrics.changed(Change::Delete);
        metrics.reloaded(ReloadCause::Start);
        metrics.resumed();
        metrics.propagated(Duration::from_millis(4));
        let counts = Counts { jwt: 5, open: 4, disabled: 3, unusable: 2, short_keys: 1, nul_keys: 0 };
        Events::counts(&*metrics, counts);
        metrics.unusable("TR1", "`jwt_secretkey` is empty");
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"rtms_apps_changes_total{kind="delete"} 1"#,
            r#"rtms_apps_changes_total{kind="insert"} 0"#,
            r#"rtms_apps_reloads_total{cause="start"} 1"#,
            r#"rtms_apps_reloads_total{cause="history_lost"} 0"#,
            "rtms_apps_resumes_total 1",
            "rtms_apps_propagation_seconds_count 1",
            r#"rtms_apps_propagation_seconds_bucket{le="0.005"} 1"#,
            r#"rtms_apps{state="jwt"} 5"#,
            r#"rtms_apps{state="open"} 4"#,
            r#"rtms_apps{state="disabled"} 3"#,
            r#"rtms_apps{state="unusable"} 2"#,
            r#"rtms_apps_weak{kind="short"} 1"#,
            r#"rtms_apps_weak{kind="trailing_nul"} 0"#,
            r#"rtms_apps_alarm{kind="history_lost"} 0"#,
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("TR1"));
        assert_eq!(metrics.reloads().collect::<Vec<_>>(), [(ReloadCause::Start, 1)]);
    }
}
