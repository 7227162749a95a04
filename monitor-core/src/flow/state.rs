//! TCP from the middle: the state of the current connection, and what became of each attempt.

use monitor_common::abi::{Flow, Head, Side, Superseded, bits};

use super::reading::Reading;
use crate::label::{AttemptResult, TcpCounter, TcpState};

/// What a slot says of its current connection, beyond the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    /// [`bits`] of the client's direction.
    client: u8,
    /// [`bits`] of the server's direction.
    server: u8,
    /// Connections in this slot beyond the first.
    pub(crate) reused: u32,
    /// Handshakes completed in this slot.
    handshakes: u32,
    /// A SYN began the current connection.
    syn: bool,
    /// Duration of the current connection's handshake, ns; 0: not seen whole.
    pub(crate) handshake: u64,
    /// The same where nothing of the server was seen, ns; 0: not seen.
    half: u64,
    /// Time to the first response, ns; 0: not yet.
    pub(crate) first_response: u64,
}

impl Connection {
    /// The slot as it is now.
    pub(crate) fn of(flow: &Flow, client: Side) -> Self {
        // A program that begins a new connection empties the times before it counts the reuse: read
        // the other way round, no old time is taken for the new connection's.
        let reused = flow.head.reused.get();
        let handshake = flow.head.handshake.get();
        let (whole, half) =
            if handshake & Head::HALF == 0 { (handshake, 0) } else { (0, handshake & !Head::HALF) };
        Self {
            reused,
            handshakes: flow.head.handshakes.get(),
            client: flow.hot[client.index()].bits.get(),
            server: flow.hot[client.other().index()].bits.get(),
            syn: flow.head.syn_time.get() != 0,
            handshake: whole,
            half,
            first_response: flow.head.first_response.get(),
        }
        .completed()
    }

    /// The client's part of a handshake that was measured alone counts once the server's was seen.
    const fn completed(mut self) -> Self {
        if self.handshake == 0 && self.server_has(bits::SYN) {
            self.handshake = self.half;
        }
        self
    }

    /// One connection, of which each sighting sees a part. The first of them says who the client is.
    pub(crate) fn together<'a>(sightings: impl Iterator<Item = (Side, &'a Self)>) -> Self {
        let mut whole = Self::default();
        let mut client = None;
        let mut one_sided = true;
        for (side, part) in sightings {
            let same = *client.get_or_insert(side) == side;
            let (mine, peers) = if same { (part.client, part.server) } else { (part.server, part.client) };
            whole.client |= mine;
            whole.server |= peers;
            whole.syn |= part.syn;
            whole.reused = whole.reused.max(part.reused);
            whole.handshakes = whole.handshakes.max(part.handshakes);
            whole.half = whole.half.max(part.half);
            if whole.handshake == 0 {
                whole.handshake = part.handshake;
            }
            // Who sees one side alone cannot know who spoke first, or when.
            if mine != 0 && peers != 0 {
                one_sided = false;
                let known = whole.first_response != 0 && whole.first_response != Head::NO_RESPONSE_TIME;
                if !known && part.first_response != 0 {
                    whole.first_response = part.first_response;
                }
            }
        }
        // Nor does it see that a close was acknowledged.
        if one_sided && whole.both(bits::FIN) {
            whole.client |= bits::FIN_ACKED;
            whole.server |= bits::FIN_ACKED;
        }
        whole.completed()
    }

    const fn client_has(&self, bit: u8) -> bool {
        self.client & bit != 0
    }

    const fn server_has(&self, bit: u8) -> bool {
        self.server & bit != 0
    }

    const fn any(&self, bit: u8) -> bool {
        (self.client | self.server) & bit != 0
    }

    const fn both(&self, bit: u8) -> bool {
        self.client & self.server & bit != 0
    }

    /// The handshake was seen whole, or the client acknowledges what can only be the SYN-ACK.
    const fn established(&self) -> bool {
        self.handshake != 0
            || (self.server_has(bits::SYN) && self.client_has(bits::ACK) && !self.client_has(bits::RST))
    }

    /// Both directions were closed, and both closes acknowledged.
    pub(crate) const fn finished(&self) -> bool {
        self.both(bits::FIN_ACKED)
    }

    /// A RST was seen.
    pub(crate) const fn was_reset(&self) -> bool {
        self.any(bits::RST)
    }

    /// It is open as far as is known: both sides acknowledge what the other sends, and none has closed or reset it.
    pub(crate) const fn is_open(&self) -> bool {
        self.both(bits::ACK) && !self.any(bits::FIN | bits::RST)
    }

    /// Nobody has ended it, so that it may go on after any silence: both sides are there, and not both have closed.
    pub(crate) const fn may_go_on(&self) -> bool {
        self.both(bits::ACK) && !self.both(bits::FIN) && !self.any(bits::RST)
    }

    /// What an earlier slot of the same connection saw of it is added, unless another one has begun.
    const fn after(mut self, before: &Self) -> Self {
        if self.reused != 0 || self.syn {
            return self;
        }
        self.client |= before.client & !bits::HOLE;
        self.server |= before.server & !bits::HOLE;
        if self.handshake == 0 {
            self.handshake = before.handshake;
        }
        if self.first_response == 0 || self.first_response == Head::NO_RESPONSE_TIME {
            self.first_response = before.first_response;
        }
        self
    }

    /// Its beginning was seen: a SYN of either side.
    pub(crate) const fn began(&self) -> bool {
        self.any(bits::SYN)
    }

    /// The client acknowledged something.
    pub(crate) const fn client_acknowledges(&self) -> bool {
        self.client_has(bits::ACK)
    }

    /// The result of the current attempt, if it has one already.
    const fn result(&self) -> Option<AttemptResult> {
        if self.established() {
            Some(AttemptResult::Established)
        } else if self.server_has(bits::RST) && !self.server_has(bits::SYN) {
            Some(AttemptResult::Refused)
        } else if self.any(bits::RST) {
            Some(AttemptResult::Reset)
        } else {
            None
        }
    }
}

/// Results of attempts that became known at once, by [`AttemptResult`].
pub(crate) type Results = [u32; AttemptResult::COUNT];

/// What was already told of a flow's connections, so that everything is told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Track {
    now: Connection,
    /// The slot's first connection began with a SYN.
    first_had_syn: bool,
    /// Attempts begun: fresh SYNs.
    attempts: u32,
    /// Result of the last attempt.
    result: Option<AttemptResult>,
    /// Handshakes that were told of.
    handshakes: u32,
    /// The current connection's is among them.
    handshake_counted: bool,
    handshake_told: bool,
    response_told: bool,
    /// What was seen of the connection in another slot, before it was silent for long.
    before: Option<Connection>,
    /// Of the current connection came what was measured of it when it was followed by another.
    heard: bool,
    passed: Passed,
}

/// Connections that were followed by others in the slot before they were read, until it is known what was measured of
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Passed {
    /// There are some.
    any: bool,
    /// The number of the first, of which the last reading has told this much.
    first: u32,
    handshake_told: bool,
    response_told: bool,
    first_heard: bool,
    /// Of how many it is known what was measured.
    heard: u32,
}

/// Words of a [`Track`] that is kept for another engine.
pub(crate) const TRACK_WORDS: usize = 5;

/// Bits of the first of them, above those of client and server and the result.
mod kept {
    pub(super) const SYN: u64 = 1 << 32;
    pub(super) const FIRST_HAD_SYN: u64 = 1 << 33;
    pub(super) const HANDSHAKE_COUNTED: u64 = 1 << 34;
    pub(super) const HANDSHAKE_TOLD: u64 = 1 << 35;
    pub(super) const RESPONSE_TOLD: u64 = 1 << 36;
}

impl Track {
    /// As words, for another engine.
    pub(crate) fn save(&self) -> [u64; TRACK_WORDS] {
        let now = &self.now;
        let bit = |set: bool, bit: u64| if set { bit } else { 0 };
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let result = self.result.map_or(0, |result| result.index() as u64 + 1);
        [
            u64::from(now.client)
                | u64::from(now.server) << 8
                | result << 16
                | bit(now.syn, kept::SYN)
                | bit(self.first_had_syn, kept::FIRST_HAD_SYN)
                | bit(self.handshake_counted, kept::HANDSHAKE_COUNTED)
                | bit(self.handshake_told, kept::HANDSHAKE_TOLD)
                | bit(self.response_told, kept::RESPONSE_TOLD),
            pair(self.attempts, self.handshakes),
            pair(now.reused, now.handshakes),
            now.handshake,
            now.first_response,
        ]
    }

    /// From the words of [`Self::save`].
    pub(crate) fn restore(words: &[u64; TRACK_WORDS]) -> Self {
        let [first, attempts, now, handshake, first_response] = *words;
        let has = |bit: u64| first & bit != 0;
        let result = (first >> 16) as u8;
        Self {
            now: Connection {
                client: first as u8,
                server: (first >> 8) as u8,
                reused: now as u32,
                handshakes: (now >> 32) as u32,
                syn: has(kept::SYN),
                handshake,
                half: 0,
                first_response,
            },
            first_had_syn: has(kept::FIRST_HAD_SYN),
            attempts: attempts as u32,
            result: AttemptResult::ALL.into_iter().find(|r| r.index() + 1 == usize::from(result)),
            handshakes: (attempts >> 32) as u32,
            handshake_counted: has(kept::HANDSHAKE_COUNTED),
            handshake_told: has(kept::HANDSHAKE_TOLD),
            response_told: has(kept::RESPONSE_TOLD),
            before: None,
            heard: false,
            passed: Passed::default(),
        }
    }

    /// The same connection in a new slot: its attempt, handshake and first response were told.
    pub(crate) const fn resumed(&self) -> Self {
        let before = Connection { reused: 0, handshakes: 0, syn: false, half: 0, ..self.now };
        Self {
            now: before,
            first_had_syn: false,
            attempts: 0,
            result: self.result,
            handshakes: 0,
            handshake_counted: true,
            handshake_told: true,
            response_told: true,
            before: Some(before),
            heard: false,
            passed: Passed {
                any: false,
                first: 0,
                handshake_told: false,
                response_told: false,
                first_heard: false,
                heard: 0,
            },
        }
    }

    /// The connection is one of another slot; it was restored from words that do not say so.
    pub(crate) const fn restore_resumed(&mut self) {
        self.before = Some(Connection { reused: 0, handshakes: 0, syn: false, half: 0, ..self.now });
    }

    /// Takes a new reading; `delta` is what the counters gained since the last one. Returns the
    /// attempts that got their result.
    pub(crate) fn update(&mut self, now: Connection, delta: &Reading, client: Side) -> Results {
        let mut results = Results::default();
        let now = self.before.as_ref().map_or(now, |before| now.after(before));
        let before = self.now;
        if now.reused != before.reused {
            self.pass(before.reused);
            self.handshake_told = false;
            self.response_told = false;
        }
        if now.reused == 0 {
            self.first_had_syn |= now.syn;
        } else if before.reused == 0 && !self.first_had_syn {
            // Several connections since the last reading: did the first begin with a SYN, too?
            let sent = |side| {
                let d = delta.side(side);
                d.tcp(TcpCounter::Syn).saturating_sub(d.tcp(TcpCounter::SynRetransmissions))
            };
            self.first_had_syn = sent(Side::Lower).saturating_add(sent(Side::Upper)) > now.reused;
        }
        let attempts = now.reused.wrapping_add(u32::from(self.first_had_syn));
        let new = attempts.wrapping_sub(self.attempts);
        if new != 0 {
            self.superseded(before, &now, new, delta, client, &mut results);
            self.attempts = attempts;
            self.result = None;
        }
        self.now = now;
        if self.attempts != 0
            && self.result.is_none()
            && let Some(result) = now.result()
        {
            results[result.index()] += 1;
            self.result = Some(result);
        }
        if now.handshake != 0 && !self.handshake_counted {
            self.handshake_counted = true;
            self.handshakes = self.handshakes.wrapping_add(1);
        }
        results
    }

    /// The connection of this number was followed by another.
    fn pass(&mut self, number: u32) {
        let heard = std::mem::take(&mut self.heard);
        let passed = &mut self.passed;
        if passed.any {
            passed.heard += u32::from(heard);
        } else {
            *passed = Passed {
                any: true,
                first: number,
                handshake_told: self.handshake_told,
                response_told: self.response_told,
                first_heard: heard,
                heard: u32::from(heard),
            };
        }
    }

    /// What was measured of a connection of this number that another one followed. Returns its handshake and its first
    /// response, ns, as far as they were not told.
    pub(crate) fn measured(&mut self, number: u32, of: &Superseded) -> (Option<u64>, Option<u64>) {
        let (mut no_handshake, mut no_response) = (false, false);
        let passed = &mut self.passed;
        let (handshake_told, response_told) = if number == self.now.reused {
            self.heard = true;
            (&mut self.handshake_told, &mut self.response_told)
        } else if !passed.any || number < passed.first || number > self.now.reused {
            return (None, None);
        } else {
            passed.heard += 1;
            if number == passed.first {
                passed.first_heard = true;
                (&mut passed.handshake_told, &mut passed.response_told)
            } else {
                (&mut no_handshake, &mut no_response)
            }
        };
        let whole = of.handshake != 0 && of.handshake & Head::HALF == 0;
        let answered = of.first_response != 0 && of.first_response != Head::NO_RESPONSE_TIME;
        let told = (std::mem::replace(handshake_told, true), std::mem::replace(response_told, true));
        ((whole && !told.0).then_some(of.handshake), (answered && !told.1).then_some(of.first_response))
    }

    /// How many connections were followed by others before they were read, and of which it is not known what was
    /// measured, though everything has come that does.
    pub(crate) fn missed(&mut self) -> u32 {
        let passed = std::mem::take(&mut self.passed);
        if !passed.any {
            return 0;
        }
        let told = !passed.first_heard && passed.handshake_told && passed.response_told;
        let all = self.now.reused.wrapping_sub(passed.first);
        all.saturating_sub(passed.heard).saturating_sub(u32::from(told))
    }

    /// Attempts that were followed by another on the same 5-tuple before they were read. What the
    /// counters gained says how many were completed, refused or reset; the rest came to nothing.
    fn superseded(
        &mut self,
        before: Connection,
        now: &Connection,
        new: u32,
        delta: &Reading,
        client: Side,
        results: &mut Results,
    ) {
        let pending = self.is_pending();
        let ended = u32::from(pending) + new - 1;
        let current = u32::from(now.handshake != 0);
        let completed = now.handshakes.saturating_sub(self.handshakes).saturating_sub(current).min(ended);
        self.handshakes = now.handshakes.wrapping_sub(current);
        self.handshake_counted = false;
        let mut left = ended - completed;
        results[AttemptResult::Established.index()] += completed;

        let server = delta.side(client.other());
        let answers = server
            .tcp(TcpCounter::SynAck)
            .saturating_sub(server.tcp(TcpCounter::SynRetransmissions))
            .saturating_sub(u32::from(now.server_has(bits::SYN)))
            .saturating_add(u32::from(pending && before.server_has(bits::SYN)));
        let half_open = answers.saturating_sub(completed);
        let server_resets = server.tcp(TcpCounter::Rst).saturating_sub(u32::from(now.server_has(bits::RST)));
        let client_resets =
            delta.side(client).tcp(TcpCounter::Rst).saturating_sub(u32::from(now.client_has(bits::RST)));
        let reset = left.min(half_open).min(server_resets.saturating_add(client_resets));
        left -= reset;
        // A half-open attempt is the client's to reset before it is the server's.
        let by_server = reset.saturating_sub(client_resets);
        let refused = left.min(server_resets.saturating_sub(by_server));
        left -= refused;
        results[AttemptResult::Reset.index()] += reset;
        results[AttemptResult::Refused.index()] += refused;
        results[AttemptResult::TimedOut.index()] += left;
    }

    /// Whether an attempt waits for its result.
    pub(crate) const fn is_pending(&self) -> bool {
        self.attempts != 0 && self.result.is_none()
    }

    /// The attempt that waits for its result gets none any more. Returns whether there was one.
    pub(crate) const fn give_up(&mut self) -> bool {
        let pending = self.is_pending();
        if pending {
            self.result = Some(AttemptResult::TimedOut);
        }
        pending
    }

    /// The handshake's duration, once a connection, ns.
    pub(crate) const fn take_handshake(&mut self) -> Option<u64> {
        if self.handshake_told || self.now.handshake == 0 {
            return None;
        }
        self.handshake_told = true;
        Some(self.now.handshake)
    }

    /// The time to the first response, once a connection, ns.
    pub(crate) const fn take_first_response(&mut self) -> Option<u64> {
        if self.response_told || self.now.first_response == 0 {
            return None;
        }
        self.response_told = true;
        if self.now.first_response == Head::NO_RESPONSE_TIME {
            return None;
        }
        Some(self.now.first_response)
    }

    /// What the slot said last.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.now
    }

    /// State of the current connection.
    pub(crate) const fn state(&self) -> TcpState {
        let c = &self.now;
        if c.both(bits::FIN) {
            TcpState::Closed
        } else if c.any(bits::RST) {
            if c.client_has(bits::SYN) && matches!(c.result(), Some(AttemptResult::Refused)) {
                TcpState::Refused
            } else {
                TcpState::Reset
            }
        } else if c.any(bits::FIN) {
            TcpState::HalfClosed
        } else if c.established() {
            TcpState::Established
        } else if matches!(self.result, Some(AttemptResult::TimedOut)) {
            TcpState::TimedOut
        } else if c.server_has(bits::SYN) {
            TcpState::SynReceived
        } else if c.client_has(bits::SYN) {
            TcpState::SynSent
        } else {
            TcpState::Midstream
        }
    }
}
