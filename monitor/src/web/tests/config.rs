//! TLS and passwords, by the file and as it changes.

use super::*;

#[tokio::test]
async fn passwords_guard_every_path_and_change_with_the_file() {
    let directory = directory("passwords");
    let file = directory.join("web.yml");
    let user = |password: &str| {
        let hash = bcrypt::hash(password, 4).unwrap();
        format!(
            "basic_auth_users:\n  ann: {hash}\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
        )
    };
    std::fs::write(&file, user("one")).unwrap();
    let server = start(Some(&file));
    let basic = |password: &str| {
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("ann:{password}"));
        format!("authorization: Basic {encoded}\r\n")
    };
    for path in ["/", "/metrics", "/-/healthy", "/api/v1/flows", "/api/v1/live"] {
        let answer = server.get(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        assert!(answer.contains("www-authenticate: Basic"));
        let answer = server.get(path, &basic("one")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("x-frame-options: deny"),
            "{path}: {answer}"
        );
    }
    std::fs::write(&file, user("another")).unwrap();
    assert!(server.get("/", &basic("one")).await.starts_with("HTTP/1.1 401"));
    assert!(server.get("/", &basic("another")).await.starts_with("HTTP/1.1 200"));
    // A file that is broken later changes nothing.
    std::fs::write(&file, "basic_auth_users: [").unwrap();
    assert!(server.get("/", "").await.starts_with("HTTP/1.1 401"));
    assert!(server.get("/", &basic("another")).await.starts_with("HTTP/1.1 200"));
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A certificate and a web config with TLS and a password for ann.
fn guarded(directory: &Path, password: &str) -> String {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let hash = bcrypt::hash(password, 4).unwrap();
    format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  ann: {hash}\n"
    )
}

#[tokio::test]
async fn what_protects_holds_while_the_file_is_empty_or_half_written() {
    let directory = directory("half");
    let file = directory.join("web.yml");
    let whole = guarded(&directory, "one");
    std::fs::write(&file, &whole).unwrap();
    let server = start(Some(&file));
    let url = |password: &str| format!("https://ann:{password}@{}", server.address);
    let healthy = async |url: String| {
        Instance::new(&url, Some(directory.join("cert.pem"))).unwrap().get("/-/healthy").await
    };
    std::fs::write(&file, "").unwrap();
    for _ in 0..3 {
        assert!(
            server.raw(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.starts_with('\u{15}'),
            "an alert"
        );
        let error = healthy(format!("https://{}", server.address)).await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { status: StatusCode::UNAUTHORIZED, .. }), "{error}");
        assert!(healthy(url("one")).await.is_ok());
    }
    assert_eq!(count(&server, "web_config_failed"), 1, "once, not at each request");
    assert_eq!(count(&server, "web_config_read"), 0);
    // A whole one comes into force again, without a restart.
    std::fs::write(&file, whole.replace(&hash_of(&whole), &bcrypt::hash("another", 4).unwrap()) + "# new\n")
        .unwrap();
    assert!(healthy(url("one")).await.is_err());
    assert!(healthy(url("another")).await.is_ok());
    assert_eq!(count(&server, "web_config_read"), 1);
    std::fs::remove_dir_all(&directory).unwrap();
}

fn hash_of(web_config: &str) -> String {
    web_config.rsplit(' ').next().unwrap().trim().to_owned()
}

#[test]
fn no_beginning_of_a_web_config_takes_protection_away() {
    let directory = directory("beginnings");
    let file = directory.join("web.yml");
    let whole = guarded(&directory, "one") + "http_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    std::fs::write(&file, &whole).unwrap();
    let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap()));
    let web = Web::new(state, UrlPath::read("/metrics").unwrap(), Some(file.clone())).unwrap();
    for end in 0..whole.len() {
        std::fs::write(&file, &whole[..end]).unwrap();
        let config = web.config();
        assert!(config.tls.is_some() && !config.users.is_empty(), "{}", &whole[..end]);
    }
    // What protects may be exchanged, not taken away.
    let tls = whole.split("basic_auth_users").next().unwrap();
    let certificates = "  client_ca_file: cert.pem\n  client_auth_type: RequireAndVerifyClientCert\n";
    let both = whole.replace("basic_auth_users", &format!("{certificates}basic_auth_users"));
    let in_force = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let config = web.config();
        (config.tls.is_some(), !config.users.is_empty(), config.asks_for_certificate)
    };
    assert_eq!(in_force(&format!("{tls}{certificates}")), (true, false, true), "certificates for passwords");
    assert_eq!(in_force(&both), (true, true, true));
    assert_eq!(in_force(&whole), (true, true, true));
    let error = web.config().read_again(&file).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "web.yml: the need of a client certificate would vanish; it takes a restart to serve without"
        ),
        "{error}"
    );
    std::fs::write(&file, "").unwrap();
    let error = web.config().read_again(&file).unwrap_err().to_string();
    assert!(error.contains("TLS and passwords and the need of a client certificate would vanish"), "{error}");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// An error with its sources, as they are told and as they are.
fn all_that_is_said(error: &WebConfigError) -> String {
    let mut said = format!("{error}\n{error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        said.extend(["\n".to_owned(), error.to_string(), format!("{error:?}")]);
        source = error.source();
    }
    said
}

#[test]
fn errors_of_a_web_config_hold_nothing_of_its_text() {
    let directory = directory("secrets");
    let file = directory.join("web.yml");
    let hash = "$2y$10$SECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRE";
    for (text, expected) in [
        ("basic_auth_users:\n  bob: x\n  ann: [SECRET\n", "line "),
        ("basic_auth_users:\n  ann: [SECRET]\n", "line 2, column 8: expected"),
        ("basic_auth_users:\n  ann: SECRET: x\n", "line 2, column "),
        (&format!("basic_auth_users:\n  ann: \"{hash}\n  bob: x\n"), "line "),
        ("basic_auth_users:\n  ann: \"SECRET\\q\"\n", "line 2, column "),
        ("basic_auth_users:\n  ann: *SECRET\n", "line 2, column "),
        ("basic_auth_users:\n  ann: !SECRET x\n", "web.yml: "),
        ("basic_auth_users: SECRET\n", "line 1, column 19: expected mapping start"),
        (
            "basic_auth_users:\n  SECRET: x\n  SECRET: y\n",
            "line 3, column 3: a key stands here for the second time",
        ),
        ("basic_auth_users:\n  ann:SECRET: x\n", "the password of \"ann\" is not a bcrypt hash"),
        ("SECRET: x\n", "line 1, column 1: unknown key; expected one of tls_server_config, "),
        (
            "tls_server_config:\n  cert_file: c\n  key_file: k\n  client_auth_type: SECRET\n",
            "unknown value; expected one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert;",
        ),
        (
            "tls_server_config:\n  cert_file: c\n  key_file: |\n    -----BEGIN PRIVATE KEY-----\n    SECRET\n",
            "key_file holds a certificate or key itself",
        ),
        ("tls_server_config:\n  key_file: SECRET\n", "cert_file is missing"),
        ("%SECRET\n@SECRET", "line "),
        ("\u{1}SECRET", "line "),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = WebConfig::read(&file).unwrap_err();
        let said = all_that_is_said(&error);
        assert!(said.contains(expected) && !error.to_string().contains('\n'), "{expected} in {said}");
        assert!(!said.contains("SECRET"), "{text}: {said}");
    }
    // Any mistake of one character in a file that is well.
    let well = format!("basic_auth_users:\n  ann: \"{hash}\"\n  bob: {hash}\n");
    let mut broken = 0;
    for at in 0..=well.len() {
        for wrong in " \n\t'\"[]{}:,-?!&*#|>%@`\\<~\u{1}\u{85}ä".chars() {
            for end in [at, (at + 1).min(well.len())] {
                let text = format!("{}{wrong}{}", &well[..at], &well[end..]);
                std::fs::write(&file, &text).unwrap();
                let Err(error) = WebConfig::read(&file) else { continue };
                let said = all_that_is_said(&error);
                assert!(!said.contains("SECR") && !said.contains("CRET"), "{text}: {said}");
                broken += 1;
            }
        }
    }
    assert!(broken > 1_000, "{broken}");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn broken_web_configs_say_why_in_one_line() {
    let directory = directory("broken");
    let file = directory.join("web.yml");
    for (text, expected) in [
        ("basic_auth_users:\n  ann: secret\n", "the password of \"ann\" is not a bcrypt hash"),
        ("tls_server_configs: {}\n", "not a web config"),
        (
            "http_server_config:\n  headers:\n    Set-Cookie: a\n",
            "\"Set-Cookie\" is not a header that can be set",
        ),
        ("tls_server_config:\n  cert_file: a.pem\n  key_file: b.pem\n", "a.pem: cannot be read"),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_auth_type: RequireAnyClientCert\n",
            "not a web config",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = WebConfig::read(&file).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    std::fs::write(&file, "").unwrap();
    assert!(WebConfig::read(&file).unwrap().users.is_empty());
    assert!(WebConfig::read(&directory.join("none.yml")).unwrap_err().to_string().contains("cannot be read"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn tls_serves_the_certificate_of_the_files_as_they_are() {
    let directory = directory("tls");
    let issue = || {
        let pair =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    };
    issue();
    let file = directory.join("web.yml");
    std::fs::write(
        &file,
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  min_version: TLS13\n",
    )
    .unwrap();
    let server = start(Some(&file));
    let url = format!("https://127.0.0.1:{}", server.address.port());
    let ca = directory.join("trusted.pem");
    std::fs::copy(directory.join("cert.pem"), &ca).unwrap();
    let instance = Instance::new(&url, Some(ca.clone())).unwrap();
    assert_eq!(&instance.get("/-/healthy").await.unwrap()[..], b"Weir is healthy.\n");
    issue();
    assert!(matches!(instance.get("/-/healthy").await, Err(ClientError::Tls { .. })), "the old one is gone");
    std::fs::copy(directory.join("cert.pem"), &ca).unwrap();
    assert!(instance.get("/-/healthy").await.is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn clients_without_a_certificate_are_turned_away_where_one_is_required() {
    let directory = directory("mtls");
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let file = directory.join("web.yml");
    let settings =
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_ca_file: cert.pem\n";
    std::fs::write(&file, format!("{settings}  client_auth_type: RequireAndVerifyClientCert\n")).unwrap();
    let healthy = async |server: &Running| {
        let url = format!("https://{}", server.address);
        Instance::new(&url, Some(directory.join("cert.pem"))).unwrap().get("/-/healthy").await
    };
    let server = start(Some(&file));
    let error = healthy(&server).await.unwrap_err();
    assert!(error.to_string().contains("the server asks for a client certificate"), "{error}");
    std::fs::write(
        &file,
        format!("{settings}  client_auth_type: RequireAndVerifyClientCert\n  max_version: TLS12\n"),
    )
    .unwrap();
    let error = healthy(&server).await.unwrap_err();
    assert!(
        matches!(error, ClientError::CertificateAsked { .. }),
        "in the handshake of TLS 1.2 already: {error}"
    );
    std::fs::write(&file, format!("{settings}  client_auth_type: VerifyClientCertIfGiven\n")).unwrap();
    assert!(healthy(&server).await.is_err(), "not while it runs");
    assert_eq!(count(&server, "web_config_failed"), 1);
    assert!(healthy(&start(Some(&file))).await.is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What the client says of a server with this certificate when it trusts the certificates of this text.
async fn trusting(
    directory: &Path,
    certificate: &rcgen::CertifiedKey<rcgen::KeyPair>,
    trusted: &str,
) -> String {
    std::fs::write(directory.join("cert.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let file = directory.join("web.yml");
    std::fs::write(&file, "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n").unwrap();
    let server = start(Some(&file));
    let ca = directory.join("ca.pem");
    std::fs::write(&ca, trusted).unwrap();
    let answer =
        Instance::new(&format!("https://{}", server.address), Some(ca)).unwrap().get("/-/healthy").await;
    answer.map_or_else(|error| error.to_string(), |body| String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_certificate_of_a_ca_is_trusted_as_a_servers_only_if_it_is_that_very_one() {
    let directory = directory("ca");
    // As `openssl req -x509` makes it.
    let ca = |name: &str, until: i32| {
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        wanted.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        wanted.not_after = rcgen::date_time_ymd(until, 1, 1);
        rcgen::CertifiedKey { cert: wanted.self_signed(&signing_key).unwrap(), signing_key }
    };
    let (right, other) = (ca("127.0.0.1", 4096), ca("127.0.0.1", 4096));
    assert_eq!(trusting(&directory, &right, &right.cert.pem()).await, "Weir is healthy.\n");
    let both = other.cert.pem() + &right.cert.pem();
    assert_eq!(trusting(&directory, &right, &both).await, "Weir is healthy.\n");
    let (elsewhere, old) = (ca("example.org", 4096), ca("127.0.0.1", 2020));
    let plain = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    for (server, trusted, expected) in [
        (&right, other.cert.pem(), "TLS: the server shows a CA's certificate; name that very certificate"),
        (
            &elsewhere,
            elsewhere.cert.pem(),
            "TLS: the server's certificate is not valid: certificate not valid for name",
        ),
        (&old, old.cert.pem(), "TLS: the server's certificate is not valid: certificate expired"),
        (
            &plain,
            right.cert.pem(),
            "TLS: the server's certificate is of an unknown CA; name the CA's certificate",
        ),
        (&right, String::new(), "ca.pem: holds no certificate in PEM form: nothing of that kind was found"),
        (&right, right.signing_key.serialize_pem(), "ca.pem: holds no certificate in PEM form"),
        (
            &right,
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n".to_owned(),
            "ca.pem: holds no certificate that can be used; name a file that has certificates with --ca-file",
        ),
    ] {
        let said = trusting(&directory, server, &trusted).await;
        assert!(said.contains(expected) && !said.contains("Other"), "{expected} in {said}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn who_may_read_what_at_an_address_is_warned_of() {
    let there = SocketAddr::from(([0, 0, 0, 0], 1));
    let kind = |config: &WebConfig, address| config.warning(address).map(|event| format!("{event:?}"));
    let is = |warning: Option<String>, name: &str| warning.is_some_and(|w| w.starts_with(name));
    let mut config = WebConfig::default();
    assert!(is(kind(&config, there), "Unprotected"));
    config.users.insert("ann".to_owned(), String::new());
    assert!(is(kind(&config, there), "PasswordsInClear"));
    for loopback in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(kind(&config, loopback.parse().unwrap()), None);
        assert_eq!(kind(&WebConfig::default(), loopback.parse().unwrap()), None);
    }
    let directory = directory("warned");
    let file = directory.join("web.yml");
    let whole = guarded(&directory, "one");
    let tls = whole.split("basic_auth_users").next().unwrap();
    let required =
        format!("{tls}  client_ca_file: cert.pem\n  client_auth_type: RequireAndVerifyClientCert\n");
    for (text, expected) in [(&whole[..], None), (&required, None), (tls, Some("Unprotected"))] {
        std::fs::write(&file, text).unwrap();
        let warning = kind(&WebConfig::read(&file).unwrap(), there);
        assert!(expected.map_or(warning.is_none(), |name| is(warning.clone(), name)), "{text}: {warning:?}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_docs_list_the_keys_of_a_web_config_and_no_others() {
    let docs = include_str!("../../../../docs/rights.md");
    let listed: BTreeSet<String> = docs
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned()))
        .filter(|key| {
            ["tls_server_config", "http_server_config", "basic_auth_users"]
                .iter()
                .any(|part| key.starts_with(part))
        })
        .collect();
    let expected_in = |text: &str| {
        let error = WebConfig::check(Path::new("web.yml"), text).unwrap_err().to_string();
        let known = error.split("expected one of ").nth(1).unwrap().split(';').next().unwrap().to_owned();
        known.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let mut known = BTreeSet::new();
    for part in expected_in("none: 1\n") {
        if part == "basic_auth_users" {
            known.insert(part);
            continue;
        }
        known.extend(expected_in(&format!("{part}:\n  none: 1\n")).iter().map(|key| format!("{part}.{key}")));
    }
    assert_eq!(listed, known);
}
