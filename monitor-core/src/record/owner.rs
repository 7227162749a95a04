//! Whose traffic a flow is, as records say it.

use std::sync::Arc;

use serde::ser::SerializeStruct;

use super::Text;
use crate::label::label_enum;
use crate::schema::{Field, Type, Unit, Value, words};

label_enum! {
    /// Whose bytes are: every byte of a flow has one.
    OwnerClass {
        /// A process of this host, in whatever network namespace or container.
        User = "user",
        /// The kernel itself: resets of closed ports, answers of ICMP, tunnels, file systems.
        Kernel = "kernel",
        /// Nobody of this host: it only passes.
        Forwarded = "forwarded",
        /// This host's, and not known whose.
        Unknown = "unknown",
    }
}

label_enum! {
    /// How an owner is known.
    OwnerSource {
        /// By the socket that a packet left, or that it was for.
        Socket = "socket",
        /// By the listening socket that a connection was for.
        Listener = "listener",
        /// By the kernel's list of sockets: the socket is older than this run.
        SockDiag = "sock_diag",
        /// By the kernel's list of packet sockets.
        PacketDiag = "packet_diag",
        /// By the translation of its addresses on this host.
        Conntrack = "conntrack",
        /// By the socket with which the packet came in from another network namespace of this host.
        Veth = "veth",
    }
}

words! { OwnerClass, OwnerSource }

const fn field(name: &'static str, kind: Type, doc: &'static str) -> Field {
    Field { name, kind, unit: Unit::None, optional: true, doc: doc.trim_ascii() }
}

/// Makes the owner and its fields three times: alone, and as client's and server's where both ends are here.
macro_rules! owner {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty;)+) => {
        /// Who uses a socket. What is not known is absent.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Owner {
            $($(#[doc = $doc])+ pub $field: Option<$type>,)+
        }

        impl Owner {
            /// How many fields it has.
            const COUNT: usize = [$(stringify!($field)),+].len();
            const NEAR: [Field; Self::COUNT] =
                [$(field(stringify!($field), <$type as Value>::TYPE, concat!($($doc),+))),+];
            const CLIENT: [Field; Self::COUNT] = [$(field(
                concat!("client_", stringify!($field)),
                <$type as Value>::TYPE,
                concat!("Of the client, where both ends are on this host:", $($doc),+),
            )),+];
            const SERVER: [Field; Self::COUNT] = [$(field(
                concat!("server_", stringify!($field)),
                <$type as Value>::TYPE,
                concat!("Of the server, where both ends are on this host:", $($doc),+),
            )),+];

            fn emit<S: SerializeStruct>(&self, of: Of, to: &mut S) -> Result<(), S::Error> {
                $(self.$field.emit(
                    match of {
                        Of::Near => stringify!($field),
                        Of::Client => concat!("client_", stringify!($field)),
                        Of::Server => concat!("server_", stringify!($field)),
                    },
                    to,
                )?;)+
                Ok(())
            }
        }
    };
}

owner! {
    /// Name of the process.
    process: Text;
    /// Whether that is the name of one of its threads, because the process was gone before it could be asked for.
    process_is_thread: bool;
    /// First words of its command line, values that look like secrets left out.
    command: Text;
    /// File that it runs, where that may be read.
    exe: Text;
    /// Process identifier.
    pid: u32;
    /// When it was started.
    process_start: super::Time;
    /// Name of the user.
    user: Text;
    /// Number of the user.
    uid: u32;
    /// Unit of systemd (service, scope), nested slices as a path; elsewhere the path of its control group.
    unit: Text;
    /// Identifier of the container.
    container_id: Text;
    /// Name of the container as its runtime calls it.
    container: Text;
    /// Runtime of the container.
    runtime: Text;
    /// Image of the container.
    image: Text;
    /// Project of Docker Compose.
    compose_project: Text;
    /// Service of Docker Compose.
    compose_service: Text;
    /// Namespace of the pod.
    namespace: Text;
    /// Name of the pod.
    pod: Text;
    /// Name of the container in its pod.
    pod_container: Text;
}

impl Owner {
    /// Its container: the name, else the identifier.
    pub fn container_name(&self) -> Option<&Text> {
        self.container.as_ref().or(self.container_id.as_ref())
    }
}

/// Whose fields are written.
#[derive(Clone, Copy)]
enum Of {
    Near,
    Client,
    Server,
}

/// An end of a flow, and who is there.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// What kind of owner.
    pub class: OwnerClass,
    /// How it is known; absent where there is no socket of a process.
    pub source: Option<OwnerSource>,
    /// Who; absent unless [`OwnerClass::User`].
    pub owner: Option<Arc<Owner>>,
}

/// Who owns a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// The end that is this host's own, or the client's where both are or none is.
    pub near: End,
    /// Both, where processes of this host are at both: the client's and the server's.
    pub both: Option<[End; 2]>,
    /// The end that is another behind this host's translation of addresses, with its port.
    pub translated: Option<Text>,
}

const OWNER: [Field; 2] = [
    field("owner", Type::Word, "Whose the flow is: user (a process), kernel, forwarded or unknown."),
    field("owner_source", Type::Word, "How the owner is known."),
];
const CLIENT_OWNER: [Field; 2] = [
    field("client_owner", Type::Word, "Whose the client's end is, where both ends are on this host."),
    field("client_owner_source", Type::Word, "How the client's owner is known."),
];
const SERVER_OWNER: [Field; 2] = [
    field("server_owner", Type::Word, "Whose the server's end is, where both ends are on this host."),
    field("server_owner_source", Type::Word, "How the server's owner is known."),
];

const TRANSLATED: Field = field(
    "translated",
    <Text as Value>::TYPE,
    "Address and port that another end has behind this host's translation (SNAT, DNAT); of both `source > destination`.",
);

/// Fields of one end, and of all.
const ONE: usize = 2 + Owner::COUNT;

const FIELDS: [Field; 3 * ONE + 1] = {
    let mut fields = [TRANSLATED; 3 * ONE + 1];
    let groups = [(OWNER, Owner::NEAR), (CLIENT_OWNER, Owner::CLIENT), (SERVER_OWNER, Owner::SERVER)];
    let mut group = 0;
    while group < groups.len() {
        fields[group * ONE] = groups[group].0[0];
        fields[group * ONE + 1] = groups[group].0[1];
        let mut i = 0;
        while i < Owner::COUNT {
            fields[group * ONE + 2 + i] = groups[group].1[i];
            i += 1;
        }
        group += 1;
    }
    fields
};

impl End {
    fn emit<S: SerializeStruct>(&self, of: Of, to: &mut S) -> Result<(), S::Error> {
        let [class, source] = match of {
            Of::Near => ["owner", "owner_source"],
            Of::Client => ["client_owner", "client_owner_source"],
            Of::Server => ["server_owner", "server_owner_source"],
        };
        self.class.emit(class, to)?;
        self.source.emit(source, to)?;
        self.owner.as_ref().map_or(Ok(()), |owner| owner.emit(of, to))
    }
}

impl serde::Serialize for Owned {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = serializer.serialize_struct("Owned", FIELDS.len())?;
        self.emit_all(&mut to)?;
        to.end()
    }
}

impl Value for Arc<Owned> {
    const TYPE: Type = Type::Inline(&FIELDS);

    fn emit<S: SerializeStruct>(&self, _: &'static str, to: &mut S) -> Result<(), S::Error> {
        self.emit_all(to)
    }
}

impl Owned {
    fn emit_all<S: SerializeStruct>(&self, to: &mut S) -> Result<(), S::Error> {
        self.near.emit(Of::Near, to)?;
        if let Some([client, server]) = &self.both {
            client.emit(Of::Client, to)?;
            server.emit(Of::Server, to)?;
        }
        self.translated.emit("translated", to)
    }

    /// Owners that are processes: of the near end, and where both ends are here of client and server.
    pub fn users(&self) -> impl Iterator<Item = &Owner> {
        let both = self.both.iter().flatten();
        let ends = both.chain(self.both.is_none().then_some(&self.near));
        ends.filter_map(|end| end.owner.as_deref())
    }

    /// Whose it is: of the near end, and where both ends are here of client and server.
    pub fn classes(&self) -> impl Iterator<Item = OwnerClass> {
        let both = self.both.iter().flatten();
        both.chain(self.both.is_none().then_some(&self.near)).map(|end| end.class)
    }

    /// The owner of the near end, if that is a process.
    pub fn user(&self) -> Option<&Owner> {
        self.near.owner.as_deref()
    }
}
