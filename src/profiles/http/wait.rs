//! Whether a write waits until it is in force, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;

use super::Api;
use super::answer::Refused;
use super::input::Strict;

/// How long a write is waited for to be in force, unless the request says otherwise, and at most.
const WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The parameters of every write.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// `applied`: answer once this gateway judges by the change. Without it a write answers once it is stored.
    #[param(inline)]
    wait: Option<WaitFor>,
    /// With `wait`: for how long at most, up to `60s`; a change that isn't in force by then is stored all the same, and
    /// the answer is 504. Default: 10s.
    #[param(pattern = "^([1-9][0-9]{0,3}ms|[1-9]s|[1-5][0-9]s|60s|1m)$", example = "10s")]
    timeout: Option<String>,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// The change is in force at this gateway.
    Applied,
}

impl Wait {
    /// For how long to wait; `None`: not at all.
    ///
    /// # Errors
    /// A time that is none, or too long.
    fn patience(&self) -> Result<Option<Duration>, Refused> {
        let refuse = |problem: &str| Err(Refused::client(StatusCode::BAD_REQUEST, format!("`timeout` {problem}")));
        let patience = match self.timeout.as_deref().map(crate::config::duration) {
            None => WAIT,
            Some(Ok(Duration::ZERO)) => return refuse("is no time at all; write more than `0s`"),
            Some(Ok(patience)) if patience <= LONGEST_WAIT => patience,
            Some(Ok(_)) => return refuse("is over 60s; write less"),
            Some(Err(problem)) => return refuse(&problem),
        };
        Ok(self.wait.map(|WaitFor::Applied| patience))
    }
}

/// For how long a write waits until it is in force, as [`Wait`] says; `None`: not at all.
pub struct Patience(pub Option<Duration>);

impl FromRequestParts<Arc<Api>> for Patience {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        let Strict(wait) = Strict::<Wait>::from_request_parts(parts, api).await?;
        wait.patience().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_has_an_end() {
        let wait = |timeout: Option<&str>| {
            let wait = Wait { wait: Some(WaitFor::Applied), timeout: timeout.map(str::to_owned) };
            wait.patience().map_err(|refused| refused.status())
        };
        assert_eq!(wait(None), Ok(Some(WAIT)));
        assert_eq!(wait(Some("500ms")), Ok(Some(Duration::from_millis(500))));
        for bad in ["61s", "1h", "0s", "soon", ""] {
            assert_eq!(wait(Some(bad)), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
        assert_eq!(Wait::default().patience().ok(), Some(None));
    }
}
