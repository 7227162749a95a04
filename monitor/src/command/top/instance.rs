//! Pictures of a running instance, over its stream.

use std::{sync::mpsc::Sender, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::screen::Input;
use crate::{
    client::{ClientError, Instance, escape},
    command::CommandError,
    view::{
        live::History,
        top::{Details, Live, News, Question},
    },
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

/// What was before, and one picture.
pub(super) async fn once(instance: &Instance, question: &Question) -> Result<(History, Live), CommandError> {
    let mut events = instance.events(&path(question)).await?;
    let mut before = History::default();
    loop {
        let event = events.next().await?;
        match News::read(&event.name, event.data.as_bytes()).map_err(CommandError::Answer)? {
            Some(News::History(history)) => before = *history,
            Some(News::Live(live)) => return Ok((before, *live)),
            _ => {}
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
            () = details(asked, to, async |flow| of_flow(instance, flow).await) => return,
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
        match News::read(&event.name, event.data.as_bytes()) {
            Ok(told) => news.extend(told),
            Err(error) => return Some(format!("another form of answer: {error}")),
        }
    }
}

/// All that is known of a flow, or that it is gone; `None`: nobody says.
async fn of_flow(instance: &Instance, flow: &str) -> Option<News> {
    let found = match instance.get(&format!("/api/v1/flows/{}", escape(flow))).await {
        Ok(body) => Some(Box::new(serde_json::from_slice::<Details>(&body).ok()?)),
        Err(ClientError::Refused { status, .. }) if status == hyper::StatusCode::NOT_FOUND => None,
        // The stream says it too.
        Err(_) => return None,
    };
    Some(News::Details(flow.to_owned(), found))
}

/// Asks for the flow that is looked at once a second, for ever.
async fn details(
    questions: watch::Receiver<Question>,
    to: &Sender<Input>,
    ask: impl AsyncFn(&str) -> Option<News>,
) {
    let mut asked = None;
    let mut tick = interval(Duration::from_millis(100));
    // Who answers slowly is not asked the more often for it.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
        if let Some(news) = ask(&flow).await
            && to.send(Input::News(news)).is_err()
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use monitor_core::live::Window;
    use tokio::time::timeout;

    use super::*;
    use crate::view::top::{Tab, Top, Viewed};

    #[tokio::test(start_paused = true)]
    async fn whoever_answers_slowly_is_asked_for_a_flow_no_more_often() {
        let top = Top::new(Viewed::Own, Tab::Flows, String::new(), Window::default());
        let question = Question { flow: Some("1-1".to_owned()), ..top.question() };
        let (_ask, questions) = watch::channel(question);
        let (to, _inputs) = std::sync::mpsc::channel();
        let asked = Cell::new(0);
        let slow = async |_: &str| {
            asked.set(asked.get() + 1);
            sleep(Duration::from_secs(3)).await;
            None
        };
        timeout(Duration::from_secs(30), details(questions, &to, slow)).await.unwrap_err();
        // Three seconds of waiting and one of peace each time.
        assert_eq!(asked.get(), 8);
    }
}
