//! What is refused on the sockets between the two planes.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;

use flow::wire::handover;

use super::{Acceptor, Channel, clear, listening};
use crate::handover::message;

#[test]
fn a_descriptor_that_does_not_listen_is_refused() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(listening(udp.into()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(listening(client.into()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_socket_in_use_is_not_taken_and_a_left_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let acceptor = Acceptor::bind(&path).unwrap();
    assert_eq!(Acceptor::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(acceptor);
    drop(Acceptor::bind(&path).unwrap());
    let file = directory.path().join("f");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(clear(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert!(file.exists());
}

#[tokio::test]
async fn a_listening_socket_passes_and_stays_the_same_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let acceptor = Acceptor::bind(&path).unwrap();
    let proxy = Channel::connect(&path).unwrap();
    let control = acceptor.accept().await.unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let offer = message(handover::Message::Socket("gw".into()));
    control.send(&offer, Some(socket.as_fd())).await.unwrap();
    drop(control);
    let (received, descriptor) = proxy.receive().await.unwrap().unwrap();
    assert_eq!(received, offer);
    let passed = listening(descriptor.unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let client = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(passed.accept().unwrap().1, client.local_addr().unwrap());
    assert!(proxy.receive().await.unwrap().is_none());
}
