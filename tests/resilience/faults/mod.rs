//! The table of faults, row by row: through each of them requests keep being judged, none wrongly, and a change written
//! after it is soon in force. These need servers of their own, whatever `MONGODB_URI` says.
//!
//! `RTMS_BLESS=1 cargo test --test resilience faults` writes what came of them into `docs/feed.md`.

mod answers;
mod outages;
mod stand;
mod starting;
mod table;

use futures_util::future::join_all;

use self::answers::Question;

const QUESTIONS: [Question; 3] = [Question::GetMore, Question::Aggregate, Question::Find];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_answers_of_the_database_cost_no_request_and_little_time() {
    let once = join_all(QUESTIONS.map(answers::once));
    let for_some_time = join_all(QUESTIONS.map(answers::for_some_time));
    let (once, for_some_time) = tokio::join!(once, for_some_time);
    table::show("A wrong answer", &once.concat());
    table::show("Wrong answers for some time", &for_some_time.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_of_the_server_and_of_the_way_to_it_cost_no_request_and_little_time() {
    let (outages, starting) = tokio::join!(outages::all(), starting::all());
    table::show("The server, or the way to it", &outages);
    table::show("At the start", &starting);
}
