//! The server, seen through raw sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::telemetry::{LaneMetrics, LaneState, Metrics};

/// Two lanes; can be told to panic or to hang.
struct Program {
    metrics: Metrics,
    dead: Mutex<Option<String>>,
    panics: AtomicBool,
    hangs: Mutex<bool>,
    asked: AtomicBool,
    woken: Condvar,
}

impl Program {
    fn new() -> Arc<Self> {
        let lanes = (0..2).map(|lane| Arc::new(LaneMetrics::new(lane))).collect();
        Arc::new(Self {
            metrics: Metrics::new(lanes),
            dead: Mutex::new(None),
            panics: AtomicBool::new(false),
            hangs: Mutex::new(false),
            asked: AtomicBool::new(false),
            woken: Condvar::new(),
        })
    }

    fn set_states(&self, states: [LaneState; 2], reason: &str) {
        for (lane, state) in self.metrics.lanes().iter().zip(states) {
            lane.set_state(state, if state.is_ready() { "" } else { reason });
        }
    }

    fn hang(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
        self.woken.notify_all();
    }
}

impl View for Program {
    fn metrics_text(&self) -> String {
        self.asked.store(true, SeqCst);
        assert!(!self.panics.load(SeqCst), "as told");
        drop(self.woken.wait_while(self.hangs.lock().unwrap(), |hangs| *hangs).unwrap());
        self.metrics.encode()
    }

    fn health(&self) -> Health {
        Health { dead: self.dead.lock().unwrap().clone(), ..Health::of(&self.metrics) }
    }

    fn version(&self) -> Value {
        json!({"version": "0.1.0", "runtime": "epoll", "cores": [0, 1]})
    }
}

fn options(token: Option<&str>) -> ServeOptions {
    ServeOptions { listen: ([127, 0, 0, 1], 0).into(), token: token.map(str::to_owned), cores: vec![] }
}

fn quick() -> Limits {
    Limits { request_time: Duration::from_secs(1), connections: 3, ..Limits::default() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn ask_with(server: &Server, request: &str) -> Answer {
    let mut stream = connect(server);
    // In one go: a server that refuses the first line may close before a second write.
    stream.write_all(format!("{request}Host: test\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn ask(server: &Server, path: &str) -> Answer {
    ask_with(server, &format!("GET {path} HTTP/1.1\r\n"))
}

/// Reads until the server closes; what it said before.
fn read_to_close(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server did not close: {error}"),
    }
    said
}

#[test]
fn readiness_names_the_lane_in_the_way_and_why() {
    let program = Program::new();
    let server = Server::start(options(None), program.clone()).unwrap();
    assert_eq!(ask(&server, "/readyz").status, 503, "a lane that starts is not ready");

    program.set_states([LaneState::Consuming, LaneState::Replaying], "");
    let answer = ask(&server, "/readyz");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    assert_eq!(answer.json()["ready"], true);

    for state in [LaneState::Starting, LaneState::Draining, LaneState::Stalled, LaneState::Stopped] {
        program.set_states([LaneState::Consuming, state], "no progress for 60 s");
        let answer = ask(&server, "/readyz");
        assert_eq!(answer.status, 503, "{state:?}");
        let body = answer.json();
        assert_eq!(body["reason"], format!("lane 1 is {}: no progress for 60 s", state.name()));
        assert_eq!(body["lanes"][0], json!({"lane": 0, "state": "consuming", "ready": true, "reason": ""}));
        assert_eq!(body["lanes"][1]["ready"], false);
    }
    server.stop(soon()).unwrap();
}

#[test]
fn a_program_without_lanes_is_not_ready() {
    let health = Health::of(&Metrics::new(vec![]));
    assert!(health.is_alive() && !health.is_ready());
    assert_eq!(health.to_json()["reason"], "no lane has started yet");
}

#[test]
fn liveness_falls_only_when_the_process_is_beyond_repair() {
    let program = Program::new();
    let server = Server::start(options(None), program.clone()).unwrap();
    program.set_states([LaneState::Stalled, LaneState::Draining], "");
    assert_eq!(ask(&server, "/livez").status, 200);
    *program.dead.lock().unwrap() = Some("lane 0 panicked".into());
    let answer = ask(&server, "/livez");
    assert_eq!((answer.status, answer.json()), (503, json!({"alive": false, "reason": "lane 0 panicked"})));
    assert_eq!(ask(&server, "/readyz").status, 503, "the dead are not ready");
}

#[test]
fn metrics_and_version_come_as_the_view_says() {
    let program = Program::new();
    program.metrics.lanes()[1].consumed(7, 700);
    let server = Server::start(options(None), program.clone()).unwrap();
    let answer = ask(&server, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    assert!(answer.body.contains("\ncorelane_messages_total{lane=\"1\"} 7\n"), "{}", answer.body);
    assert_eq!(ask(&server, "/version").json(), program.version());
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = Server::start(options(None), Program::new()).unwrap();
    let answer = ask(&server, "/");
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"].as_str().unwrap().contains("/metrics"));
    assert_eq!(ask_with(&server, "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n").status, 405);
    assert_eq!(ask_with(&server, "nonsense\r\n").status, 400);
}

#[test]
fn without_the_token_only_the_status_of_the_probes_is_shown() {
    let program = Program::new();
    program.set_states([LaneState::Consuming, LaneState::Stalled], "secret detail");
    let server = Server::start(options(Some("s3cret")), program).unwrap();
    let get = |path: &str, header: &str| ask_with(&server, &format!("GET {path} HTTP/1.1\r\n{header}"));
    for header in ["", "Authorization: Bearer s3creT\r\n", "Authorization: Basic s3cret\r\n", "Authorization: Bearer s3cret2\r\n"]
    {
        for path in ["/metrics", "/version"] {
            let answer = get(path, header);
            assert_eq!(answer.status, 401, "{path} {header}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
        }
        let answer = get("/readyz", header);
        assert_eq!((answer.status, answer.json()), (503, json!({"ready": false})));
        assert_eq!(get("/livez", header).status, 200);
    }
    let right = "Authorization: Bearer s3cret\r\n";
    assert_eq!(get("/metrics", right).status, 200);
    assert_eq!(get("/version", "authorization: bearer s3cret\r\n").status, 200);
    assert!(get("/readyz", right).body.contains("secret detail"));
}

#[test]
fn a_token_that_no_header_can_carry_is_refused() {
    for token in ["", "two words", "line\n", "ключ"] {
        let refused = Server::start(options(Some(token)), Program::new()).map(|_| ());
        assert!(matches!(refused, Err(ServeError::BadToken)), "{token:?}");
    }
}

#[test]
fn a_taken_port_is_said_with_the_remedy() {
    let first = Server::start(options(None), Program::new()).unwrap();
    let again = ServeOptions { listen: first.address(), ..options(None) };
    let error = Server::start(again, Program::new()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, ServeError::Listen { address, .. } if *address == first.address()));
    let text = error.to_string();
    assert!(text.contains(&first.address().to_string()) && text.contains("set serve.listen to another port"), "{text}");
    assert_eq!(ask(&first, "/livez").status, 200, "the first one goes on");
}

#[test]
fn a_panic_is_answered_and_survived() {
    let program = Program::new();
    let server = Server::start(options(None), program.clone()).unwrap();
    program.panics.store(true, SeqCst);
    assert_eq!(ask(&server, "/metrics").status, 500);
    program.panics.store(false, SeqCst);
    assert_eq!(ask(&server, "/metrics").status, 200);
}

#[test]
fn a_view_that_hangs_delays_neither_other_answers_nor_the_stop() {
    let program = Program::new();
    let limits = Limits { answer_time: Duration::from_secs(2), ..Limits::default() };
    let server = Server::start_within(options(None), program.clone(), limits).unwrap();
    program.hang(true);
    assert_eq!(ask(&server, "/metrics").status, 503);
    assert_eq!(ask(&server, "/version").status, 200);
    let began = Instant::now();
    server.stop(soon()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    program.hang(false);
}

#[test]
fn a_slow_request_is_cut() {
    let server = Server::start_within(options(None), Program::new(), quick()).unwrap();
    let mut slow = connect(&server);
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost:").unwrap();
    let began = Instant::now();
    assert_eq!(read_to_close(slow), b"");
    assert!(began.elapsed() >= Duration::from_millis(800), "it had its time: {:?}", began.elapsed());
}

#[test]
fn a_long_request_is_cut() {
    let limits = Limits { request_bytes: 4096, ..Limits::default() };
    let server = Server::start_within(options(None), Program::new(), limits).unwrap();
    let mut long = connect(&server);
    let header = format!("X-Long: {}\r\n", "x".repeat(8000));
    long.write_all(format!("GET /livez HTTP/1.1\r\nHost: test\r\n{header}\r\n").as_bytes()).unwrap();
    let said = String::from_utf8_lossy(&read_to_close(long)).into_owned();
    assert!(!said.contains(" 200 "), "{said}");
    let short = format!("GET /livez HTTP/1.1\r\nX-Long: {}\r\n", "x".repeat(2000));
    assert_eq!(ask_with(&server, &short).status, 200);
}

#[test]
fn a_kept_connection_gets_new_time_and_bytes_with_each_answer() {
    let limits = Limits { request_bytes: 1024, ..Limits::default() };
    let server = Server::start_within(options(None), Program::new(), limits).unwrap();
    let mut kept = connect(&server);
    let mut said = [0; 4096];
    for _ in 0..50 {
        kept.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let length = kept.read(&mut said).unwrap();
        assert!(said[..length].starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&said[..length]));
    }
}

#[test]
fn idle_clients_cannot_keep_others_out_for_long() {
    let server = Server::start_within(options(None), Program::new(), quick()).unwrap();
    let idle: Vec<TcpStream> = (0..8).map(|_| connect(&server)).collect();
    assert_eq!(ask(&server, "/livez").status, 200);
    assert!(server.places.taken() <= 3);
    drop(idle);
}

#[test]
fn the_stop_frees_the_port_and_names_who_is_late() {
    let server = Server::start(options(None), Program::new()).unwrap();
    let address = server.address();
    assert_eq!(ask(&server, "/livez").status, 200);
    server.stop(soon()).unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");

    let program = Program::new();
    let server = Server::start(options(None), program.clone()).unwrap();
    program.hang(true);
    let mut waiting = connect(&server);
    waiting.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let deadline = soon();
    while !program.asked.load(SeqCst) {
        assert!(Instant::now() < deadline, "the request did not arrive");
        std::thread::yield_now();
    }
    let late = server.stop(Instant::now() + Duration::from_millis(100));
    assert!(matches!(late, Err(ServeError::Late { open: 1, .. })), "{late:?}");
    assert_eq!(read_to_close(waiting), b"");
    program.hang(false);
}

#[test]
fn its_threads_run_on_the_given_core() {
    struct Where;
    impl View for Where {
        fn metrics_text(&self) -> String {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap().to_owned()
        }
        fn health(&self) -> Health {
            Health::default()
        }
        fn version(&self) -> Value {
            Value::Null
        }
    }
    let core = core_affinity::get_core_ids().unwrap().last().unwrap().id;
    let server = Server::start(ServeOptions { cores: vec![core], ..options(None) }, Arc::new(Where)).unwrap();
    assert_eq!(ask(&server, "/metrics").body, format!("Cpus_allowed_list:\t{core}"));
}
