//! What goes on beside the requests for every upstream that is in force, and ends for one that is no longer.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::Cluster;

/// Keeps the tasks of `tasks_of` going for whatever clusters are in force, until `stop` turns true. A cluster that stays
/// in force keeps its tasks.
pub(super) async fn attend(
    mut clusters: watch::Receiver<Vec<Arc<Cluster>>>,
    mut stop: watch::Receiver<bool>,
    tasks_of: impl Fn(&Arc<Cluster>) -> JoinSet<()>,
) {
    let mut attended: Vec<(Arc<Cluster>, JoinSet<()>)> = Vec::new();
    loop {
        let in_force = clusters.borrow_and_update().clone();
        attended.retain(|(known, _)| in_force.iter().any(|cluster| Arc::ptr_eq(known, cluster)));
        for cluster in in_force {
            if !attended.iter().any(|(known, _)| Arc::ptr_eq(known, &cluster)) {
                let tasks = tasks_of(&cluster);
                attended.push((cluster, tasks));
            }
        }
        tokio::select! {
            changed = clusters.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
