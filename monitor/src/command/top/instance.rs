//! Pictures of a running instance, over its stream.

use std::{sync::mpsc::Sender, time::Duration};

use tokio::{
    sync::watch,
    time::{interval, sleep},
};

use super::screen::Input;
use crate::{
    client::{ClientError, Instance, escape},
    command::CommandError,
    view::top::{Details, Live, News, Question},
};

/// Until it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

fn path(question: &Question) -> String {
    let Question { window, sort, limit, filter, .. } = question;
    let (window, by, reverse) = (window.seconds(), sort.by.as_str(), sort.reverse);
    let mut path = format!("/api/v1/live/stream?window={window}&sort={by}&reverse={reverse}&limit={limit}");
    if !filter.is_empty() {
        path.push_str("&filter=");
        path.push_str(&escape(filter));
    }
    path
}

/// One picture.
pub(super) async fn once(instance: &Instance, question: &Question) -> Result<Live, CommandError> {
    let mut events = instance.events(&path(question)).await?;
    loop {
        let event = events.next().await?;
        if event.name == "live" {
            return serde_json::from_slice(&event.data).map_err(CommandError::Answer);
        }
    }
}

/// Hands on what the instance tells; when it is gone, says so and tries again.
pub(super) async fn run(instance: &Instance, mut questions: watch::Receiver<Question>, to: &Sender<Input>) {
    loop {
        let question = questions.borrow_and_update().clone();
        let asked = questions.clone();
        let lost = tokio::select! {
            lost = stream(instance, &question, to) => lost,
            // Another stream answers another question; a flow alone needs none.
            changed = other(&mut questions, &question) => {
                if changed {
                    continue;
                }
                return;
            }
            () = details(instance, asked, to) => return,
        };
        let Some(why) = lost else { return };
        if to.send(Input::News(News::Lost(why))).is_err() {
            return;
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            // Another question is tried at once.
            changed = questions.changed() => if changed.is_err() { return },
        }
    }
}

/// Waits for a question that needs another stream; `false`: nobody asks any more.
async fn other(questions: &mut watch::Receiver<Question>, now: &Question) -> bool {
    loop {
        if questions.changed().await.is_err() {
            return false;
        }
        let mut next = questions.borrow_and_update().clone();
        next.flow.clone_from(&now.flow);
        if next != *now {
            return true;
        }
    }
}

/// Reads a stream to its end. Returns why it ended; `None`: nobody takes any more.
async fn stream(instance: &Instance, question: &Question, to: &Sender<Input>) -> Option<String> {
    let mut events = match instance.events(&path(question)).await {
        Ok(events) => events,
        Err(error) => return Some(short(&error)),
    };
    let mut news = vec![News::Connected];
    loop {
        for news in news.drain(..) {
            to.send(Input::News(news)).ok()?;
        }
        let event = match events.next().await {
            Ok(event) => event,
            Err(error) => return Some(short(&error)),
        };
        let told = match &*event.name {
            "history" => serde_json::from_slice(&event.data).map(|history| News::History(Box::new(history))),
            "live" => serde_json::from_slice::<Box<Live>>(&event.data).map(News::Live),
            _ => continue,
        };
        match told {
            Ok(told) => news.push(told),
            Err(error) => return Some(format!("another form of answer: {error}")),
        }
    }
}

/// Asks for the flow that is looked at once a second, for ever.
async fn details(instance: &Instance, questions: watch::Receiver<Question>, to: &Sender<Input>) {
    let mut asked = None;
    let mut tick = interval(Duration::from_millis(100));
    let mut left = 0_u32;
    loop {
        tick.tick().await;
        let flow = questions.borrow().flow.clone();
        if flow != asked {
            left = 0;
        }
        asked.clone_from(&flow);
        left = left.saturating_sub(1);
        let Some(flow) = flow.filter(|_| left == 0) else { continue };
        left = 10;
        let told = match instance.get(&format!("/api/v1/flows/{}", escape(&flow))).await {
            Ok(body) => serde_json::from_slice::<Details>(&body).ok().map(|details| Some(Box::new(details))),
            Err(ClientError::Refused { status, .. }) if status == hyper::StatusCode::NOT_FOUND => Some(None),
            // The stream says it too.
            Err(_) => None,
        };
        if let Some(told) = told
            && to.send(Input::News(News::Details(told))).is_err()
        {
            return;
        }
    }
}

/// In few words: the whole is told where it ends the command.
fn short(error: &ClientError) -> String {
    match error {
        ClientError::Connect { url, .. } => format!("nobody answers at {url}; trying again"),
        ClientError::Refused { url, status, .. } => format!("{url} says {status}; trying again"),
        ClientError::Timeout { url } => format!("{url} is silent; trying again"),
        ClientError::Ended { url } => format!("{url} has ended; trying again"),
        error => format!("{error}; trying again"),
    }
}
