//! Accepts so many clients at once and no more, and gives each so many bytes and so much time for a request.
//!
//! The bounds lie below HTTP, in the stream itself: they hold for slow headers, slow bodies, endless headers, clients that never read
//! their answer and connections that idle, all with one clock and one counter, both of which an answer sets back.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Limits;
use crate::telemetry::logs::Throttle;

/// The places for connections.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    all: usize,
}

impl Places {
    pub(super) fn taken(&self) -> usize {
        self.all.saturating_sub(self.free.available_permits())
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // Fails on a closed semaphore only, and nobody closes this one.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

pub(super) struct BoundedListener {
    socket: TcpListener,
    limits: Limits,
    places: Places,
    warnings: Throttle,
}

impl BoundedListener {
    /// Inside a runtime.
    pub(super) fn new(socket: std::net::TcpListener, limits: Limits) -> io::Result<Self> {
        let places = Places { free: Arc::new(Semaphore::new(limits.connections)), all: limits.connections };
        let warnings = Throttle::new(Duration::from_mins(1));
        Ok(Self { socket: TcpListener::from_std(socket)?, limits, places, warnings })
    }

    pub(super) fn places(&self) -> Places {
        self.places.clone()
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                // One client without a place waits here, the others in the backlog; the clock starts with the place.
                Ok((stream, address)) => {
                    let place = self.places.take().await;
                    return (BoundedStream::new(stream, self.limits, place), address);
                }
                Err(error) => {
                    if let Some(held_back) = self.warnings.pass("accept") {
                        tracing::warn!(%error, held_back, "the server cannot accept a connection; it tries again");
                    }
                    // The usual cause, no free file descriptor, is over sooner when nobody spins on it.
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

pub(super) struct BoundedStream {
    stream: TcpStream,
    limits: Limits,
    deadline: Pin<Box<Sleep>>,
    /// Since the last byte of an answer.
    read_bytes: usize,
    _place: Option<OwnedSemaphorePermit>,
}

impl BoundedStream {
    fn new(stream: TcpStream, limits: Limits, place: Option<OwnedSemaphorePermit>) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now() + limits.request_time));
        Self { stream, limits, deadline, read_bytes: 0, _place: place }
    }

    fn check_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn answered(&mut self) {
        self.read_bytes = 0;
        self.deadline.as_mut().reset(Instant::now() + self.limits.request_time);
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_time(cx)?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.read_bytes += buf.filled().len() - before;
        if self.read_bytes > self.limits.request_bytes {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too long")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_time(cx)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.answered();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check_time(cx)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.answered();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
