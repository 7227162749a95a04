//! Payload samples: from the ring to whoever understands them.

use aya::{
    Ebpf,
    maps::{Array, MapData, PerCpuArray, RingBuf},
};
use monitor_common::{
    abi::{SampleHeader, SampleKind, SampleState, Sampling, Side, Superseded},
    wire::tcp_flags,
};
use monitor_core::{
    engine::Engine,
    payload::{Payload, TcpHeader},
};

use super::{Error, Source};

/// A payload that the kernel side copied.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Whose it is, and what was cut.
    pub header: SampleHeader,
    /// The first bytes of the payload.
    pub data: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Reads a message of the ring; `None`: it is not one of this version's.
    fn parse(message: &'a [u8]) -> Option<Self> {
        let header: SampleHeader = super::sys::read_pod(message)?;
        let data = message.get(size_of::<SampleHeader>()..)?.get(..header.captured as usize)?;
        Some(Self { header, data })
    }

    /// Why it was taken.
    pub fn kind(&self) -> Option<SampleKind> {
        match self.header.kind {
            0 => Some(SampleKind::Tcp),
            1 => Some(SampleKind::Dns),
            2 => Some(SampleKind::Udp),
            3 => Some(SampleKind::Superseded),
            _ => None,
        }
    }

    /// What it says of a connection that another one followed, if that is its kind.
    pub fn superseded(message: &[u8]) -> Option<Superseded> {
        super::sys::read_pod(message.get(size_of::<SampleHeader>()..)?)
    }

    /// As it is understood.
    pub fn payload(&self) -> Payload<'a> {
        let header = &self.header;
        let tcp = (header.key.protocol == 6).then(|| TcpHeader {
            seq: header.seq,
            ack: (header.tcp_flags & tcp_flags::ACK != 0).then_some(header.ack),
            syn: header.tcp_flags & tcp_flags::SYN != 0,
            urgent: header.urgent,
        });
        Payload {
            time: header.time,
            sender: self.side(),
            bytes: self.data,
            length: header.payload_length,
            tcp,
        }
    }

    /// Who sent it.
    pub fn side(&self) -> Side {
        if self.header.side == 0 { Side::Lower } else { Side::Upper }
    }
}

/// Samples that should have been taken and were not, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostSamples {
    /// The ring was full: user space was too slow.
    pub ring_full: u64,
    /// The budget of a second was used up.
    pub over_budget: u64,
    /// The payload could not be read at this hook.
    pub unreadable: u64,
}

pub(super) struct Reader {
    ring: RingBuf<MapData>,
    state: PerCpuArray<MapData, SampleState>,
}

impl Reader {
    pub(super) fn new(ebpf: &mut Ebpf, bounds: Sampling) -> Result<Self, Error> {
        set_bounds(ebpf, bounds)?;
        let ring = ebpf.take_map("SAMPLES").ok_or(Error::Incomplete("SAMPLES"))?;
        let state = ebpf.take_map("SAMPLE_STATE").ok_or(Error::Incomplete("SAMPLE_STATE"))?;
        Ok(Self {
            ring: RingBuf::try_from(ring).map_err(Error::map("SAMPLES"))?,
            state: PerCpuArray::try_from(state).map_err(Error::map("SAMPLE_STATE"))?,
        })
    }
}

/// Writes the bounds that the programs read for each sample.
pub(super) fn set_bounds(ebpf: &mut Ebpf, bounds: Sampling) -> Result<(), Error> {
    let map = ebpf.map_mut("SAMPLING").ok_or(Error::Incomplete("SAMPLING"))?;
    let mut map: Array<_, Sampling> = Array::try_from(map).map_err(Error::map("SAMPLING"))?;
    map.set(0, bounds, 0).map_err(Error::map("SAMPLING"))
}

impl Source {
    /// Has the engine understand all samples that are waiting, and the kernel side told of which flows
    /// enough was seen.
    ///
    /// Called after a grace period and before slots are given back, it leaves none of a flow whose slot
    /// is about to hold another. What a program on another CPU was still writing then is told by key
    /// and time.
    pub(super) fn understand(&mut self, engine: &mut Engine) {
        let Self { samples, slots, owners, .. } = self;
        let Some(reader) = samples else { return };
        while let Some(message) = reader.ring.next() {
            let Some(sample) = Sample::parse(&message) else { continue };
            let header = &sample.header;
            let Some(flow) = slots.get(header.slot) else { continue };
            let head = &flow.head;
            if head.live.get() == 0 || head.key.get() != header.key || header.time < head.first.get() {
                continue;
            }
            let claims =
                |key: &_| owners.as_mut().map_or_else(Default::default, |o| o.claims(header.slot, key));
            if sample.kind() == Some(SampleKind::Superseded) {
                if let Some(of) = Sample::superseded(&message) {
                    engine.superseded(header.slot, flow, header.connection, &of, claims);
                }
                continue;
            }
            if !engine.sample(header.slot, flow, header.connection, &sample.payload(), claims) {
                head.set_enough(header.connection, sample.side());
            }
        }
    }

    /// Hands over all samples that are waiting. Returns how many.
    pub fn read_samples(&mut self, mut receive: impl FnMut(Sample<'_>)) -> u64 {
        let mut count = 0;
        if let Some(reader) = &mut self.samples {
            while let Some(message) = reader.ring.next() {
                if let Some(sample) = Sample::parse(&message) {
                    receive(sample);
                    count += 1;
                }
            }
        }
        count
    }

    /// Tells the kernel side that a direction of the flow in a slot is understood: no more samples of it.
    pub fn enough(&self, slot: u32, side: Side) {
        if let Some(flow) = self.slots.get(slot) {
            flow.head.set_enough(flow.head.reused.get(), side);
        }
    }

    /// What was lost of samples so far.
    pub fn lost_samples(&self) -> Result<LostSamples, Error> {
        let Some(reader) = &self.samples else { return Ok(LostSamples::default()) };
        let mut lost = LostSamples::default();
        for cpu in reader.state.get(&0, 0).map_err(Error::map("SAMPLE_STATE"))?.iter() {
            lost.ring_full += cpu.ring_full;
            lost.over_budget += cpu.over_budget;
            lost.unreadable += cpu.unreadable;
        }
        Ok(lost)
    }
}
