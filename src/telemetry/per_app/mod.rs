//! Counters of single apps, for the busiest of them: `telemetry.per_app`.
//!
//! The table of those with series of their own is found without a lock; everybody else is counted as `other`, and noted
//! among the [`Contenders`]. [`PerApp::settle`], at a scrape, gives places to apps that got busier than the quietest one
//! that has one. Whatever clients send, there are never more than `per_app_max` places: only apps that there are get one.

mod contenders;
mod series;
mod table;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use self::contenders::{Contender, Contenders};
use self::series::Series;
use self::table::Table;
use super::families::PerAppFamilies;
use crate::apps::Snapshot;
use crate::config::settings::{self, CountedApps};
use crate::reason::{Kind, Reason};

/// The label of all apps without a place.
const OTHER: &str = "other";
/// The least time between two decisions about who has a place.
const ROUND: Duration = Duration::from_mins(1);
/// An app takes another one's place if it got a quarter more, and this many: equals would change places for ever.
const MARGIN: u64 = 10;

/// The counters of single apps.
pub struct PerApp {
    settings: settings::PerApp,
    families: PerAppFamilies,
    hasher: RandomState,
    table: ArcSwap<Table>,
    other: OnceLock<Series>,
    contenders: Contenders,
    round: Mutex<Round>,
    /// In force; before and after it counts nothing.
    open: AtomicBool,
}

/// What only [`PerApp::settle`] looks at.
struct Round {
    last: Instant,
    /// The table that was replaced in the round before: series of its that are in no place any more are removed.
    before: Option<Arc<Table>>,
}

impl PerApp {
    /// Nobody has a place yet, and nothing is counted before [`PerApp::open`]. `None`: off.
    pub fn new(settings: settings::PerApp, families: &PerAppFamilies, now: Instant) -> Option<Arc<Self>> {
        (settings.apps != CountedApps::Off).then(|| {
            Arc::new(Self {
                settings,
                families: families.clone(),
                hasher: RandomState::new(),
                table: ArcSwap::from_pointee(Table::new(settings.max)),
                other: OnceLock::new(),
                contenders: Contenders::new(settings.max),
                round: Mutex::new(Round { last: now, before: None }),
                open: AtomicBool::new(false),
            })
        })
    }

    /// How it was made.
    pub const fn settings(&self) -> settings::PerApp {
        self.settings
    }

    /// Begins to count.
    pub fn open(&self) {
        self.other.get_or_init(|| Series::new(OTHER, self.settings.apps, &self.families));
        self.open.store(true, Ordering::Release);
    }

    /// Counts nothing any more.
    pub fn close(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// Counts a request that ended. `known`: whether there is such an app; asked only where it has no place.
    pub fn count(&self, app: &str, reason: Option<Reason>, known: impl FnOnce() -> bool) {
        let reason = reason.filter(|reason| reason.kind() == Kind::Rejection);
        let counted = reason.is_some() || self.settings.apps == CountedApps::All;
        if !counted || reason == Some(Reason::AppUnknown) || !self.open.load(Ordering::Acquire) {
            return;
        }
        let hash = self.hasher.hash_one(app);
        let table = self.table.load();
        if let Some(series) = table.find(hash, app) {
            return series.count(reason, &self.families);
        }
        if !known() {
            return;
        }
        let fresh = || Arc::new(Series::new(app, self.settings.apps, &self.families));
        let place = if app == OTHER { None } else { table.enter(hash, app, fresh) };
        if let Some(series) = place {
            return series.count(reason, &self.families);
        }
        if let Some(other) = self.other.get() {
            other.count(reason, &self.families);
        }
        self.contenders.hit(hash);
    }

    /// Decides who has a place, if it is time for that. Called at a scrape, off the requests' way.
    pub fn settle(&self, now: Instant, apps: &Snapshot) {
        let Ok(mut round) = self.round.try_lock() else { return };
        if now.saturating_duration_since(round.last) < ROUND {
            return;
        }
        round.last = now;
        let table = self.table.load_full();
        let mut places: Vec<(u64, Arc<Series>)> = Vec::new();
        let mut gone = 0;
        for series in table.all() {
            let score = series.score();
            if apps.get(series.app()).is_some() { places.push((score, Arc::clone(series))) } else { gone += 1 }
        }
        places.sort_by_key(|(score, _)| *score);
        let challengers = self.contenders.take(self.settings.max);
        let winners = self.winners(challengers, &places, apps);
        let replaced = !winners.is_empty() || gone > 0;
        if replaced {
            let leave = (places.len() + winners.len()).saturating_sub(self.settings.max);
            let stay = places.into_iter().skip(leave).map(|(_, series)| series);
            let next = stay.chain(winners).map(|series| (self.hasher.hash_one(series.app()), series));
            self.table.store(Arc::new(Table::with(self.settings.max, next)));
        }
        // Whoever still counts by the table before is through by the next round.
        let before = std::mem::replace(&mut round.before, replaced.then_some(table));
        if let Some(before) = before {
            self.forget(&before);
        }
    }

    /// The challengers that get a place: a free one, or that of an app that is quieter by a margin.
    fn winners(&self, challengers: Vec<Contender>, places: &[(u64, Arc<Series>)], apps: &Snapshot) -> Vec<Arc<Series>> {
        let free = self.settings.max.saturating_sub(places.len());
        let weakest = std::iter::repeat_n(0, free).chain(places.iter().map(|(score, _)| score + score / 4 + MARGIN));
        let won: Vec<Contender> =
            challengers.into_iter().zip(weakest).take_while(|(c, bar)| c.hits > *bar).map(|(c, _)| c).collect();
        if won.is_empty() {
            return Vec::new();
        }
        // Contenders are known by their hashes alone, so that noting one costs no memory: here they find their names.
        let ids = apps.apps().filter_map(|app| app.id()).filter(|id| *id != OTHER);
        let named = ids.filter_map(|id| Some((id, won.iter().position(|c| c.is(self.hasher.hash_one(id)))?)));
        let mut winners: Vec<Option<Arc<Series>>> = vec![None; won.len()];
        for (id, at) in named {
            if let (Some(place), Some(contender)) = (winners.get_mut(at), won.get(at)) {
                let series = Series::new(id, self.settings.apps, &self.families);
                series.set_score(contender.hits);
                *place = Some(Arc::new(series));
            }
        }
        winners.into_iter().flatten().collect()
    }

    /// Removes the series of apps that have no place any more.
    fn forget(&self, before: &Table) {
        let table = self.table.load();
        for series in before.all().filter(|s| table.find(self.hasher.hash_one(s.app()), s.app()).is_none()) {
            series.remove(&self.families);
        }
    }
}

#[cfg(test)]
mod tests;
