//! Whose a flow is: what its sockets say, and which of that holds.

use std::sync::Arc;

use monitor_common::abi::Side;

use super::role::Parties;
use crate::label::Role;
use crate::record::{End, Owned, Owner, OwnerClass, OwnerSource, Text};

/// What was found out of the socket at one end.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Socket {
    /// Nobody asked yet, or of this kind of packet it cannot be asked.
    #[default]
    Unasked,
    /// There is none.
    Absent,
    /// There is none, and what was sent from here had come in by an interface: this host forwards it, also where the
    /// address is its own (masquerading).
    Forwarded,
    /// There is one, and whose it is is not known, or not yet.
    Unknown,
    /// The kernel's own.
    Kernel,
    /// A process's.
    User(OwnerSource, Arc<Owner>),
}

/// What an end of a flow says of its owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// The socket.
    pub socket: Socket,
    /// It was found by its addresses, so that it means something only where the address is this host's: a socket
    /// that is bound to no address is found for any.
    pub looked_up: bool,
}

/// The owners of a flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    /// By [`Side`].
    claims: [Claim; 2],
    /// As records show them; none: owners are not asked for.
    shown: Option<Arc<Owned>>,
    /// Both ends have been asked for long enough.
    settled: bool,
    /// Its addresses are translated on this host: what is behind that, as it is shown.
    translated: Option<Text>,
    /// By [`Side`]: who is there, as is known by a translation.
    behind: [Option<Claim>; 2],
}

impl Owners {
    /// Whether there is nothing more to find out.
    pub(crate) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// A new connection has sockets of its own.
    pub(crate) fn begin_anew(&mut self) {
        self.settled = false;
    }

    /// Takes what is known of the sockets; `last`: nothing more will be.
    pub(crate) fn take(&mut self, claims: [Claim; 2], parties: Parties, last: bool) {
        self.settled = last || claims.iter().all(|claim| matches!(claim.socket, Socket::User(..)));
        if self.shown.is_none() || self.claims != claims {
            self.claims = claims;
            self.show(parties);
        }
    }

    /// The addresses of the flow are translated on this host.
    pub(crate) fn translate(&mut self, shown: Text, parties: Parties) {
        self.translated = Some(shown);
        self.review(parties);
    }

    /// Takes what other sightings say of a flow that is translated: processes at its ends.
    pub(crate) fn translated(&mut self, behind: [Option<Claim>; 2], parties: Parties) {
        if self.behind != behind {
            self.behind = behind;
            self.review(parties);
        }
    }

    /// The claim of an end at which a process is.
    pub(crate) fn user(&self, side: Side) -> Option<&Claim> {
        Some(&self.claims[side.index()]).filter(|claim| matches!(claim.socket, Socket::User(..)))
    }

    /// What the flow is to this host has changed.
    pub(crate) fn review(&mut self, parties: Parties) {
        if self.shown.is_some() {
            self.show(parties);
        }
    }

    /// As records show them.
    pub(crate) const fn shown(&self) -> Option<&Arc<Owned>> {
        self.shown.as_ref()
    }

    fn show(&mut self, parties: Parties) {
        let ends = [Side::Lower, Side::Upper].map(|side| self.end(side, parties));
        let [lower, upper] = ends;
        let (client, server) = match parties.client {
            Side::Lower => (lower, upper),
            Side::Upper => (upper, lower),
        };
        let near_is_server = match parties.role {
            // A published port: who answers is the server, who asked may be a process here, too.
            Role::Server if self.translated.is_some() && server.owner.is_none() => false,
            Role::Server => !parties.within,
            Role::Client => false,
            // Of what passes, the end of which something is known.
            Role::Forwarded => client.owner.is_none() && server.owner.is_some(),
        };
        let near = if near_is_server { server.clone() } else { client.clone() };
        let both =
            (client.owner.is_some() && server.owner.is_some() || parties.within).then_some([client, server]);
        self.shown = Some(Arc::new(Owned { near, both, translated: self.translated.clone() }));
    }

    /// Who is at one end.
    fn end(&self, side: Side, parties: Parties) -> End {
        let is_near = parties.is_near(side);
        let claim = &self.claims[side.index()];
        let class = |class| End { class, source: None, owner: None };
        if self.translated.is_some() {
            return self.translated_end(side, parties);
        }
        if claim.looked_up && !is_near {
            return class(OwnerClass::Forwarded);
        }
        match &claim.socket {
            Socket::User(source, owner) => {
                End { class: OwnerClass::User, source: Some(*source), owner: Some(Arc::clone(owner)) }
            }
            Socket::Forwarded => class(OwnerClass::Forwarded),
            Socket::Absent | Socket::Unasked if !is_near => class(OwnerClass::Forwarded),
            Socket::Kernel | Socket::Absent => class(OwnerClass::Kernel),
            Socket::Unknown | Socket::Unasked => class(OwnerClass::Unknown),
        }
    }

    /// Who is at an end of a flow that is translated: a socket that was found by the addresses before that is not
    /// the one behind, and where none is this host only passes it on.
    fn translated_end(&self, side: Side, parties: Parties) -> End {
        let claim = &self.claims[side.index()];
        let user = |source, owner: &Arc<Owner>| End {
            class: OwnerClass::User,
            source: Some(source),
            owner: Some(Arc::clone(owner)),
        };
        match (&claim.socket, self.behind[side.index()].as_ref().map(|claim| &claim.socket)) {
            (Socket::User(OwnerSource::Veth, owner), _) => user(OwnerSource::Veth, owner),
            (_, Some(Socket::User(_, owner))) => user(OwnerSource::Conntrack, owner),
            (Socket::User(source, owner), _) if !claim.looked_up => user(*source, owner),
            (Socket::Unknown, _) if parties.is_near(side) => {
                End { class: OwnerClass::Unknown, source: None, owner: None }
            }
            _ => End { class: OwnerClass::Forwarded, source: None, owner: None },
        }
    }

    /// Whom what `sender` sends counts for, and who receives it where both ends are of this host.
    pub(crate) fn of(&self, sender: Side, parties: Parties) -> (OwnerClass, Option<&Owner>, Option<&Owner>) {
        let Some(shown) = self.shown.as_deref() else { return (OwnerClass::Unknown, None, None) };
        let is_client = sender == parties.client;
        let (end, receiver) = match &shown.both {
            Some([client, server]) if parties.within || parties.role == Role::Forwarded => {
                if is_client {
                    (client, Some(server))
                } else {
                    (server, Some(client))
                }
            }
            _ => (&shown.near, None),
        };
        (end.class, end.owner.as_deref(), receiver.and_then(|end| end.owner.as_deref()))
    }
}
