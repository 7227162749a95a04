//! Users of this host: at a unix socket, and on loopback; and pages of other sites.

use super::*;

/// Serves at a unix socket and on loopback, for some users.
fn start_for(users: &[&str], path: &Path) -> Running {
    let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap()));
    let web = Web::new(state, UrlPath::read("/metrics").unwrap(), None).unwrap();
    let users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
    let web = web.with_local_users(&users).unwrap();
    let socket = ListenAddress::Local(path.to_owned());
    let server = Server::bind(web, &[ListenAddress::read("127.0.0.1:0").unwrap(), socket]).unwrap();
    let (address, web) = (server.addresses()[0], Arc::clone(server.web()));
    assert_eq!(server.sockets(), [path.to_owned()]);
    let (stop, stopped) = watch::channel(false);
    Running { address, state: Arc::clone(&web.state), web, stop, task: tokio::spawn(server.run(stopped)) }
}

#[tokio::test]
async fn a_unix_socket_serves_what_an_address_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.sock");
    let _server = start_for(&[], &path);
    let instance = Instance::new(&format!("unix:{}", path.display()), None).unwrap();
    assert_eq!(&instance.get("/-/healthy").await.unwrap()[..], b"Weir is healthy.\n");
    let flows = instance.get("/api/v1/flows").await.unwrap();
    assert_eq!(&flows[..], b"{\"matched\":0,\"flows\":[]}");
}

#[tokio::test]
async fn users_who_may_not_read_are_refused_on_loopback_and_at_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let me = rustix::process::geteuid().as_raw();
    let path = directory.path().join("may.sock");
    let running = start_for(&[&me.to_string()], &path);
    assert!(running.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"));
    let instance = Instance::new(&format!("unix:{}", path.display()), None).unwrap();
    instance.get("/metrics").await.unwrap();
    // One whose user is not known is nobody.
    let ends = server::Ends { user: None, loopback: true, ..server::Ends::at(running.address) };
    assert!(running.web.stranger(ends, false, &hyper::HeaderMap::new()).is_some_and(|r| r.status() == 403));
    if me != 0 {
        let path = directory.path().join("may-not.sock");
        let server = start_for(&["0"], &path);
        assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 403"));
        let instance = Instance::new(&format!("unix:{}", path.display()), None).unwrap();
        let refused = instance.get("/metrics").await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused { status: StatusCode::FORBIDDEN, .. }), "{refused}");
        assert_eq!(count(&server, "request_refused"), 2);
    }
}

#[tokio::test]
async fn pages_of_other_sites_read_nothing() {
    let server = start(None);
    for fields in
        ["sec-fetch-site: cross-site\r\n", "origin: https://attacker.example\r\n", "origin: null\r\n"]
    {
        let answer = server.get("/metrics", fields).await;
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("weir_"), "{fields}: {answer}");
    }
    let own = format!("origin: http://{}\r\nsec-fetch-site: same-origin\r\n", "localhost");
    assert!(server.get("/metrics", &own).await.starts_with("HTTP/1.1 200"));
}
