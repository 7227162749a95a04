//! What is written into words is what is read from them.

use super::*;
use crate::random::Random;

fn names(name: Option<&str>, application: Option<Application>) -> (Option<Name>, Option<Application>) {
    let words = Reported::default();
    let words = &words.0[at::NAME..];
    let name = name.map(|text| Name { text: Text::from(text), source: NameSource::Quic });
    write_names(words, name.as_ref(), application);
    read_names(words)
}

#[test]
fn name_source_and_application_come_back() {
    for application in Application::ALL.iter().copied().map(Some).chain([None]) {
        let (name, word) = names(Some("www.example.org"), application);
        assert_eq!(word, application);
        let name = name.unwrap();
        assert_eq!((name.text.as_str(), name.source), ("www.example.org", NameSource::Quic));
        assert_eq!(names(None, application), (None, application));
    }
}

#[test]
fn a_name_that_has_no_room_is_left_out_and_the_application_stays() {
    let application = Application::ALL[0];
    let room = 16 * 8 - 3 - application.as_str().len();
    let long = "a".repeat(room);
    assert_eq!(names(Some(&long), Some(application)).0.unwrap().text.as_str(), long);
    assert_eq!(names(Some(&format!("{long}a")), Some(application)), (None, Some(application)));
}

#[test]
fn readings_come_back_word_for_word() {
    let words = Reported::default();
    let mut random = Random(7);
    for _ in 0..100 {
        for word in &words.0[at::COUNTED..at::RECORDED] {
            word.set(random.below(u64::MAX));
        }
        let first = reading(&words.0[at::COUNTED..]);
        write_reading(&words.0[at::RECORDED..], &first);
        assert_eq!(reading(&words.0[at::RECORDED..]), first);
        let both = words.0[at::COUNTED..at::RECORDED].iter().zip(&words.0[at::RECORDED..]);
        assert!(both.into_iter().all(|(a, b)| a.get() == b.get()));
    }
}

#[test]
fn whatever_the_words_are_reading_them_ends() {
    let flow = Flow::default();
    flow.head.first.set(1);
    let words = Reported::default();
    let mut random = Random(11);
    for _ in 0..2_000 {
        for word in &words.0 {
            word.set(random.below(u64::MAX) >> random.below(64));
        }
        words.0[0].set(1);
        // Without packets in the slot nothing can have been told of it.
        if let Some(told) = Watermark::read(&words, &flow) {
            assert!(told.counted.0.iter().all(|side| side.packets == 0));
        }
    }
}
