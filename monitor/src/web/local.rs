//! Sockets in the file system, and who of this host is on the other side of a connection.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, process};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use crate::confine::Reader;
use crate::sync::lock;

/// For the owner and the group of a socket.
const MODE: u32 = 0o660;
/// Of a directory that is made for it.
const DIRECTORY: u32 = 0o750;

/// Listens at a path. What an ended instance left there is replaced; what somebody listens at, and what is no socket,
/// stays.
///
/// # Errors
/// When it cannot, or when others could put something of their own in its place.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let (directory, name) = parts(path)?;
    prepare(path)?;
    check_free(path)?;
    // It takes the name when it has its permissions and listens: nobody meets it half made.
    let new = directory.join(format!(".{}.{}", name.to_string_lossy(), process::id()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    let named =
        fs::set_permissions(&new, fs::Permissions::from_mode(MODE)).and_then(|()| fs::rename(&new, path));
    if let Err(error) = named {
        drop(fs::remove_file(&new));
        return Err(error);
    }
    Ok(listener)
}

fn parts(path: &Path) -> io::Result<(&Path, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) => Ok((directory, name)),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "it names no file")),
    }
}

/// Makes the directory of a socket, if it is not there, and sees whether it is one for it.
///
/// # Errors
/// When it cannot be made, or when others could put something of their own in the socket's place.
pub fn prepare(path: &Path) -> io::Result<()> {
    let (directory, _) = parts(path)?;
    if !directory.exists() {
        fs::create_dir(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(DIRECTORY))?;
    }
    check_directory(directory)
}

/// Whether [`listen`] would find a place there; nothing is made.
///
/// # Errors
/// Those of [`listen`].
pub(super) fn check(path: &Path) -> io::Result<()> {
    let (directory, _) = parts(path)?;
    let exists = directory.exists();
    let writable = if exists { directory } else { directory.parent().unwrap_or(Path::new("/")) };
    rustix::fs::access(writable, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
    if exists {
        check_directory(directory)?;
        check_free(path)?;
    }
    Ok(())
}

/// A socket of ours by its name, which goes when this does.
#[derive(Debug)]
pub(super) struct Name {
    path: PathBuf,
    /// Device and inode: what has the name later may be somebody else's.
    made: Option<(u64, u64)>,
    /// Has the right to remove it once the process has given up its own.
    remover: Option<Reader>,
}

impl Name {
    /// That of a socket which listens.
    pub(super) fn of(path: &Path, remover: Option<Reader>) -> Self {
        Self { path: path.to_owned(), made: identity(path), remover }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let (path, made) = (self.path.clone(), self.made);
        let remove = move || {
            if made.is_some() && identity(&path) == made {
                // Whoever cannot remove it leaves a name at which nobody listens, and the next start takes it.
                drop(fs::remove_file(&path));
            }
        };
        match &self.remover {
            Some(remover) => drop(remover.run(remove)),
            None => remove(),
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// A directory in which others may remove and make files is no place for it, unless each may do so with their own
/// alone.
fn check_directory(directory: &Path) -> io::Result<()> {
    let found = fs::metadata(directory)?;
    let own = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    let (others_write, sticky) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
    if own && (!others_write || sticky) {
        return Ok(());
    }
    let text = format!("others may write to {}; give a directory of its own", directory.display());
    Err(io::Error::new(ErrorKind::PermissionDenied, text))
}

fn check_free(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "something that is no socket has that name"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ErrorKind::AddrInUse.into()),
        // Nobody listens any more.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
    }
}

/// `NETLINK_SOCK_DIAG` (`include/uapi/linux/sock_diag.h`), `SOCK_DIAG_BY_FAMILY` and the numbers of
/// `include/uapi/linux/inet_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const ANY_STATE: u32 = u32::MAX;
const ANY_COOKIE: [u8; 8] = [0xff; 8];
/// Header, and `inet_diag_req_v2`.
const QUESTION: usize = 16 + 56;
/// Where in the answer the socket's user and inode are: behind the header.
const USER: usize = 16 + 64;
const INODE: usize = 16 + 68;
/// For an answer of the kernel, which gives it at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the kernel whose the other end of a TCP connection within this host is. Opened before rights are given up: it
/// needs none, and later no socket can be made.
#[derive(Debug)]
pub(super) struct Owners(Mutex<OwnedFd>);

impl Owners {
    pub(super) fn new() -> io::Result<Self> {
        let family = AddressFamily::NETLINK;
        let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(Mutex::new(socket)))
    }

    /// The user whose socket is bound to `peer` and connected to `own`. `None`: there is none any more. Of a socket
    /// that was closed the kernel has no owner left and says 0, which is root's number: it counts as gone.
    pub(super) fn of(&self, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
        let socket = lock(&self.0);
        send(&*socket, &question(peer, own), SendFlags::empty()).ok()?;
        let mut answer = [0; 512];
        let (_, length) = recv(&*socket, &mut answer, RecvFlags::empty()).ok()?;
        let answer = answer.get(..length)?;
        let kind = answer.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)?;
        let number = |at: usize| answer.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        (kind == SOCK_DIAG_BY_FAMILY && number(INODE)? != 0).then(|| number(USER)).flatten()
    }
}

fn question(peer: SocketAddr, own: SocketAddr) -> [u8; QUESTION] {
    let mut bytes = [0; QUESTION];
    let mut put = |at: usize, part: &[u8]| {
        if let Some(to) = bytes.get_mut(at..at + part.len()) {
            to.copy_from_slice(part);
        }
    };
    put(0, &(QUESTION as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    // A mapped address is one of IPv4, and so is the socket at the other end.
    let (peer_ip, own_ip) = (peer.ip().to_canonical(), own.ip().to_canonical());
    let family = if peer_ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    put(16, &[family.as_raw() as u8, IPPROTO_TCP]);
    put(20, &ANY_STATE.to_ne_bytes());
    put(24, &peer.port().to_be_bytes());
    put(26, &own.port().to_be_bytes());
    for (at, ip) in [(28, peer_ip), (44, own_ip)] {
        match ip {
            IpAddr::V4(ip) => put(at, &ip.octets()),
            IpAddr::V6(ip) => put(at, &ip.octets()),
        }
    }
    put(64, &ANY_COOKIE);
    bytes
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_socket_is_for_its_group_and_replaces_what_nobody_listens_at() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/weir.sock");
        let first = listen(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, MODE);
        assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o777, DIRECTORY);
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok(), "the one that listens was left alone");
        drop(first);
        assert!(UnixStream::connect(&path).is_err());
        let _second = listen(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1);
    }

    #[test]
    fn a_socket_goes_with_its_server_and_what_took_its_name_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weir.sock");
        let first = listen(&path).unwrap();
        drop(Name::of(&path, None));
        assert!(!path.exists());
        drop(first);
        let _first = listen(&path).unwrap();
        let name = Name::of(&path, None);
        // The number of an inode is given away again once nothing has it.
        fs::rename(&path, directory.path().join("moved")).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
    }

    #[test]
    fn a_look_finds_what_listening_would_and_makes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/weir.sock");
        check(&path).unwrap();
        assert!(!path.parent().unwrap().exists());
        let listener = listen(&path).unwrap();
        assert_eq!(check(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        check(&path).unwrap();
        assert_eq!(check(Path::new("/nowhere/at/all")).unwrap_err().kind(), ErrorKind::NotFound);
        fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(check(&path).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn what_is_no_socket_and_what_others_could_replace_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert_eq!(listen(&file).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(listen(&link).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let open = directory.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(listen(&open.join("socket")).unwrap_err().kind(), ErrorKind::PermissionDenied);
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(listen(&open.join("socket")).is_ok(), "as in /tmp");
    }

    #[test]
    fn the_owner_of_the_other_end_is_known_until_it_is_closed() {
        let owners = Owners::new().unwrap();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let own = server.local_addr().unwrap();
            assert_eq!(owners.of(peer, own), Some(rustix::process::geteuid().as_raw()), "{address}");
            // Its end stays in the kernel as long as ours is open, and belongs to nobody.
            drop(client);
            assert_eq!(owners.of(peer, own), None, "{address}");
        }
    }
}
