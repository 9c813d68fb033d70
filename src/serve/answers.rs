//! The four paths and who may read them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::View;

#[derive(Clone)]
struct Shared {
    view: Arc<dyn View>,
    token: Option<Arc<str>>,
    answer_time: Duration,
}

pub(super) fn router(view: Arc<dyn View>, token: Option<String>, answer_time: Duration) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .fallback(not_found)
        .with_state(Shared { view, token: token.map(Into::into), answer_time })
}

/// Everything that is not the answer one came for.
enum Refusal {
    NoToken,
    /// The view panicked.
    Broken,
    /// The view did not answer in time.
    Slow,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Refusal::NoToken => {
                (StatusCode::UNAUTHORIZED, "send the header Authorization: Bearer <token>, as set in serve.token")
            }
            Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "a defect in the server; the log says more"),
            Refusal::Slow => (StatusCode::SERVICE_UNAVAILABLE, "no answer from inside in time"),
        };
        let body = Json(json!({"error": text}));
        match status {
            StatusCode::UNAUTHORIZED => (status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response(),
            _ => (status, body).into_response(),
        }
    }
}

impl Shared {
    /// Asks the view on a thread where it may wait and panic.
    async fn ask<T: Send + 'static>(&self, question: fn(&dyn View) -> T) -> Result<T, Refusal> {
        let view = Arc::clone(&self.view);
        let task = spawn_blocking(move || question(view.as_ref()));
        match timeout(self.answer_time, task).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::error!(%error, "the server could not make an answer");
                Err(Refusal::Broken)
            }
            Err(_) => Err(Refusal::Slow),
        }
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
        match given.split_at_checked(7) {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"Bearer ") => same(given, token.as_bytes()),
            _ => false,
        }
    }

    fn demand(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.knows(headers) { Ok(()) } else { Err(Refusal::NoToken) }
    }
}

/// Looks at every byte whatever it finds, so that the time taken tells nothing of the token but its length.
fn same(given: &[u8], token: &[u8]) -> bool {
    given.len() == token.len() && given.iter().zip(token).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A probe cannot always send a token: the status is for everybody, the reason for those who have it.
async fn livez(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    let health = shared.ask(|view| view.health()).await?;
    let alive = health.is_alive();
    let reason = if shared.knows(&headers) { health.dead.unwrap_or_default() } else { String::new() };
    Ok((status(alive), Json(json!({"alive": alive, "reason": reason}))).into_response())
}

async fn readyz(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    let health = shared.ask(|view| view.health()).await?;
    let ready = health.is_ready();
    let body = if shared.knows(&headers) { health.to_json() } else { json!({"ready": ready}) };
    Ok((status(ready), Json(body)).into_response())
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    shared.demand(&headers)?;
    let text = shared.ask(|view| view.metrics_text()).await?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

async fn version(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Refusal> {
    shared.demand(&headers)?;
    Ok(Json(shared.ask(|view| view.version()).await?).into_response())
}

async fn not_found() -> Response {
    let body = Json(json!({"error": "there are /livez, /readyz, /metrics and /version"}));
    (StatusCode::NOT_FOUND, body).into_response()
}
