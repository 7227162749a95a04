//! Server-sent events (WHATWG HTML, 9.2), as far as Weir sends them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::BoxError;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use sse_stream::{Error, Sse, SseByteStream};
use tokio::time::timeout;

use super::ClientError;

/// Most bytes of an event.
const EVENT_BYTES: usize = 64 << 20;
/// Longest silence: an instance says something at each drain, and in between that it is there.
const SILENCE: Duration = Duration::from_secs(90);

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty where none was given.
    pub name: String,
    /// Its data, lines joined.
    pub data: String,
}

/// A stream of events.
pub struct Events {
    url: String,
    blocks: Pin<Box<dyn Stream<Item = Result<Sse, Error>> + Send>>,
    /// Bytes that came since the last event.
    since: Arc<AtomicUsize>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("url", &self.url).finish_non_exhaustive()
    }
}

/// An event has no end.
#[derive(Debug, thiserror::Error)]
#[error("an event of more than {EVENT_BYTES} bytes")]
struct TooLong;

impl Events {
    pub(super) fn new(url: String, body: reqwest::Body) -> Self {
        Self::over(url, body.into_data_stream().map(|piece| piece.map_err(BoxError::from)))
    }

    /// The events in these pieces of a body.
    fn over(url: String, pieces: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static) -> Self {
        let since = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&since);
        let bounded = pieces.map(move |piece| {
            let piece = piece?;
            let before = counted.fetch_add(piece.len(), Relaxed);
            if before + piece.len() <= EVENT_BYTES { Ok(piece) } else { Err(BoxError::from(TooLong)) }
        });
        let pieces = bounded.map(|piece| piece.map_err(Broken));
        Self { url, blocks: Box::pin(SseByteStream::new(pieces)), since }
    }

    /// The next event. May be dropped on the way: what was read stays.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        let event = timeout(SILENCE, self.event()).await;
        event.map_err(|_| ClientError::Timeout { url: self.url.clone() })?
    }

    async fn event(&mut self) -> Result<Event, ClientError> {
        loop {
            let block = match self.blocks.next().await {
                Some(Ok(block)) => block,
                Some(Err(error)) if !is_of_connection(&error) => {
                    return Err(ClientError::Exchange { url: self.url.clone(), source: error.into() });
                }
                // However it ended: nobody is there any more.
                Some(Err(_)) | None => return Err(ClientError::Ended { url: self.url.clone() }),
            };
            self.since.store(0, Relaxed);
            // A block without data is no event.
            if let Some(data) = block.data {
                return Ok(Event { name: block.event.unwrap_or_default(), data });
            }
        }
    }
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Broken(BoxError);

/// Whether the connection is at fault, and not what came over it.
fn is_of_connection(error: &Error) -> bool {
    let Error::Body(source) = error else { return false };
    source.downcast_ref::<Broken>().is_some_and(|broken| !broken.0.is::<TooLong>())
}

/// All events of a body that comes in these pieces.
#[doc(hidden)]
pub fn events(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<Event> {
    use futures_util::FutureExt as _;
    let pieces: Vec<_> = pieces.into_iter().map(|piece| Ok(Bytes::from(piece))).collect();
    let mut events = Events::over(String::new(), stream::iter(pieces));
    // All pieces are there: nothing is waited for.
    std::iter::from_fn(|| events.event().now_or_never()?.ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_come() {
        let text = b": there\n\nevent: live\nid: 7\ndata: {\"a\":1}\n\ndata:one\r\ndata: two\r\n\r\nevent: no data\n\n";
        let expected = [
            Event { name: "live".to_owned(), data: "{\"a\":1}".to_owned() },
            Event { name: String::new(), data: "one\ntwo".to_owned() },
        ];
        for size in 1..text.len() {
            assert_eq!(events(text.chunks(size).map(<[u8]>::to_vec)), expected, "{size}");
        }
    }

    #[tokio::test]
    async fn an_event_without_end_is_refused_and_many_short_ones_are_not() {
        let endless = stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 1 << 20])));
        let error = Events::over("http://there".to_owned(), endless).next().await.unwrap_err();
        assert!(error.to_string().contains("an event of more than"), "{error}");
        let short = [b"data: ".to_vec(), vec![b'x'; 1 << 20], b"\n\n".to_vec()].concat();
        let many = stream::iter(std::iter::repeat_n(Bytes::from(short), 100)).map(Ok);
        let mut events = Events::over("http://there".to_owned(), many);
        for _ in 0..100 {
            assert_eq!(events.next().await.unwrap().data.len(), 1 << 20);
        }
        assert!(matches!(events.next().await, Err(ClientError::Ended { .. })));
    }
}
