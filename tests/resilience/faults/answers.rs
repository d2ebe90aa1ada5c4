//! The database's answers go wrong: by failpoints that hit the gateway alone.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use tokio::time::sleep;

use super::stand::{Stand, Way};
use super::table::Line;

/// What a gateway asks for, and what makes it ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// The next events: asked all the time.
    GetMore,
    /// To open the stream: asked after a cut.
    Aggregate,
    /// All documents: asked after another collection took this one's name.
    Find,
}

impl Question {
    const fn command(self) -> &'static str {
        match self {
            Self::GetMore => "getMore",
            Self::Aggregate => "aggregate",
            Self::Find => "find",
        }
    }

    async fn provoke(self, stand: &mut Stand) {
        match self {
            Self::GetMore => {}
            // While the stream is asked: over another connection its cursor would go on.
            Self::Aggregate => stand.proxy.cut_at(b"getMore\0"),
            Self::Find => stand.replace_collection().await,
        }
    }

    /// The question was asked, and answered in the end.
    async fn settled(self, stand: &Stand, fault: &str, bound: Duration) {
        match self {
            Self::GetMore | Self::Aggregate => stand.noticed(fault, bound).await,
            // That the driver asked once more by itself isn't to be seen; what came of it is.
            Self::Find => stand.read_again(fault, bound).await,
        }
    }
}

/// A wrong answer.
struct Answer {
    name: &'static str,
    data: Document,
    /// The token is worth nothing any more.
    loses_history: bool,
    /// The server refuses our rights.
    refuses: bool,
}

impl Answer {
    /// Whether it costs this question's asker its token, answered once or for some time. A load has none to lose. Of a
    /// stream that broke it is the driver who asks first, perhaps for another place than ours.
    fn loses_history(&self, question: Question, once: bool) -> bool {
        self.loses_history
            && match question {
                Question::GetMore => true,
                Question::Aggregate => !once,
                Question::Find => false,
            }
    }

    /// The alarm that stands meanwhile, if it is answered for some time.
    fn alarm(&self, question: Question) -> Option<&'static str> {
        if self.refuses {
            return Some("unauthorised");
        }
        self.loses_history(question, false).then_some("history_lost")
    }
}

fn answers() -> Vec<Answer> {
    let wrong = |name, data| Answer { name, data, loses_history: false, refuses: false };
    let code = |name, code: i32| wrong(name, doc! { "errorCode": code });
    let labelled = doc! { "errorCode": 91, "errorLabels": ["ResumableChangeStreamError"] };
    vec![
        wrong("the connection is closed", doc! { "closeConnection": true }),
        code("43 cursor not found", 43),
        code("50 over its time", 50),
        code("91 shutting down", 91),
        wrong("91, labelled resumable", labelled),
        code("237 cursor killed", 237),
        Answer { loses_history: true, ..code("280 fatal", 280) },
        Answer { loses_history: true, ..code("286 history lost", 286) },
        Answer { refuses: true, ..code("13 unauthorised", 13) },
    ]
}

/// Every wrong answer once, one after the other.
pub(super) async fn once(question: Question) -> Vec<Line> {
    // One failure costs at most the first wait (0.5 s, or 1 s after a refusal of rights) and an exchange or two. After
    // 91 the driver doesn't know its server until the next heartbeat, which is 5 s away. The rest is for a slow machine.
    const BOUND: Duration = Duration::from_secs(15);
    let mut stand = Stand::start(Way::Proxy).await;
    let mut lines = Vec::new();
    for answer in answers() {
        let fault = format!("`{}` once: {}", question.command(), answer.name);
        stand.mongo.fail(&[question.command()], doc! { "times": 1 }, &answer.data).await;
        let began = Instant::now();
        question.provoke(&mut stand).await;
        question.settled(&stand, &fault, BOUND).await;
        let took = stand.current(&fault, began, BOUND).await;
        lines.push(end(&mut stand, &fault, took, answer.loses_history(question, true)).await);
    }
    lines
}

/// Every wrong answer for some time, one after the other.
pub(super) async fn for_some_time(question: Question) -> Vec<Line> {
    /// Long enough for a few attempts, and for the third wait after a refusal of rights to begin.
    const LASTS: Duration = Duration::from_millis(2500);
    // How many attempts fall into that time is chance (full jitter), and with it the next wait; but no wait is over 30 s.
    const BOUND: Duration = Duration::from_secs(45);
    let mut stand = Stand::start(Way::Proxy).await;
    let mut lines = Vec::new();
    for answer in answers() {
        let fault = format!("`{}` for 2.5 s: {}", question.command(), answer.name);
        stand.mongo.fail(&[question.command()], "alwaysOn", &answer.data).await;
        question.provoke(&mut stand).await;
        let began = Instant::now();
        if let Some(alarm) = answer.alarm(question) {
            stand.alarm(alarm).await;
        }
        stand.change().await;
        stand.goes_on(&fault).await;
        sleep(LASTS.saturating_sub(began.elapsed())).await;
        stand.mongo.heal().await;
        let over = Instant::now();
        question.settled(&stand, &fault, BOUND).await;
        let took = stand.current(&fault, over, BOUND).await;
        lines.push(end(&mut stand, &fault, took, answer.loses_history(question, false)).await);
    }
    lines
}

async fn end(stand: &mut Stand, fault: &str, took: Duration, loses_history: bool) -> Line {
    stand.well(fault).await;
    let line = stand.line(fault, took).await;
    // The driver resumes without a wait; that must not go on and on.
    assert!(line.figures.resumes() < 50, "{fault}: {}", line.figures.words());
    assert_eq!(line.figures.reloads("history_lost") > 0, loses_history, "{fault}: {}", line.figures.words());
    line
}
