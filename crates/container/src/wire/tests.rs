//! Messages that arrive in pieces, together, or not at all.

use std::io;

use super::{Event, Lines, MAX_MESSAGE, Request, Target, encode};

#[test]
fn messages_are_found_wherever_the_pieces_end() {
    let signal = encode(&Request::Signal { number: 15, target: Target::Init }).unwrap();
    let release = encode(&Request::Release).unwrap();
    let both = [signal, release].concat();
    for cut in 0..both.len() {
        let mut lines = Lines::default();
        let mut found = 0;
        for piece in [&both[..cut], &both[cut..]] {
            lines.push(piece).unwrap();
            while lines.take::<Request>(std::marker::PhantomData).unwrap().is_some() {
                found += 1;
            }
        }
        assert_eq!(found, 2, "cut at {cut}");
    }
}

#[test]
fn an_endless_message_is_refused() {
    let endless = vec![b'x'; MAX_MESSAGE + 1];
    let error = Lines::default().receive::<Event>(&mut endless.as_slice()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_stream_that_ends_within_a_message_has_none() {
    assert_eq!(Lines::default().receive::<Event>(&mut b"\"do".as_slice()).unwrap(), None);
}

#[test]
fn a_request_that_is_not_known_is_refused() {
    assert!(Lines::default().receive::<Request>(&mut b"\"explode\"\n".as_slice()).is_err());
}
