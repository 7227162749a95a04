//! What the kernel says of a device's driver (`IFLA_LINKINFO`, `include/uapi/linux/if_link.h`).

use monitor_common::wire::{Tunnel, network};
use monitor_core::host::{Device, DeviceKind};

use super::netlink::{attributes, u16_at, u32_at};

/// `IFLA_INFO_KIND` and `IFLA_INFO_DATA` of `IFLA_LINKINFO`.
const KIND: u16 = 1;
const DATA: u16 = 2;
/// `GRE_KEY` of the flags (`include/uapi/linux/if_tunnel.h`), network byte order.
const GRE_KEY: u16 = 0x2000;

/// Writes what `IFLA_LINKINFO` says.
pub(super) fn describe(device: &mut Device, link_info: &[u8]) {
    let value = |of: &'static [u16]| attributes(link_info).find(|(kind, _)| of.contains(kind)).map(|a| a.1);
    let Some(name) = value(&[KIND]) else { return };
    let data = value(&[DATA]).unwrap_or_default();
    let word = |wanted: u16| attributes(data).find(|(kind, _)| *kind == wanted).map(|a| a.1);
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    device.kind = match name {
        b"bridge" | b"openvswitch" => DeviceKind::Bridge,
        b"bond" | b"team" | b"vrf" => DeviceKind::Union,
        b"vlan" | b"macsec" => DeviceKind::Vlan,
        b"macvlan" | b"macvtap" | b"ipvlan" | b"ipvtap" => DeviceKind::Shared,
        b"veth" | b"tun" | b"netkit" => DeviceKind::Inner,
        b"vxlan" | b"geneve" | b"gre" | b"gretap" | b"ip6gre" | b"ip6gretap" | b"erspan" | b"ip6erspan"
        | b"ipip" | b"sit" | b"ip6tnl" | b"vti" | b"vti6" | b"xfrm" | b"wireguard" | b"gtp" | b"bareudp"
        | b"ppp" | b"l2tpeth" | b"amt" => DeviceKind::Tunnel,
        _ => DeviceKind::Other,
    };
    match name {
        // IFLA_VLAN_ID
        b"vlan" => device.vlan = word(1).and_then(|id| u16_at(id, 0)),
        // IFLA_VXLAN_ID, IFLA_VXLAN_COLLECT_METADATA
        b"vxlan" => device.network = by_packet(word(25), word(1), Tunnel::Vxlan),
        // IFLA_GENEVE_ID, IFLA_GENEVE_COLLECT_METADATA
        b"geneve" => device.network = by_packet(word(6), word(1), Tunnel::Geneve),
        // IFLA_GRE_IFLAGS, IFLA_GRE_IKEY, IFLA_GRE_COLLECT_METADATA
        b"gre" | b"gretap" | b"ip6gre" | b"ip6gretap" => {
            let keyed = word(2).and_then(|f| u16_at(f, 0)).is_some_and(|f| u16::from_be(f) & GRE_KEY != 0);
            device.network = match word(18) {
                Some(_) => None,
                None if keyed => {
                    word(4).and_then(|key| u32_at(key, 0)).map(|key| network(Tunnel::Gre, u32::from_be(key)))
                }
                None => Some(0),
            };
        }
        _ => device.network = Some(0),
    }
}

/// The network of an identifier, none if `collects` says that each packet names its own.
fn by_packet(collects: Option<&[u8]>, id: Option<&[u8]>, kind: Tunnel) -> Option<u32> {
    if collects.is_some_and(|flag| flag.first().is_none_or(|flag| *flag != 0)) {
        return None;
    }
    id.and_then(|id| u32_at(id, 0)).map(|id| network(kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((4 + value.len() as u16).to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn described(name: &[u8], data: &[u8]) -> Device {
        let mut device = Device::default();
        describe(&mut device, &[attribute(KIND, name), attribute(DATA, data)].concat());
        device
    }

    #[test]
    fn identifiers_are_those_that_packets_name() {
        let vlan = described(b"vlan\0", &attribute(1, &10_u16.to_ne_bytes()));
        assert_eq!((vlan.kind, vlan.vlan), (DeviceKind::Vlan, Some(10)));
        let id = attribute(1, &7_u32.to_ne_bytes());
        let vxlan = described(b"vxlan\0", &[id.clone(), attribute(25, &[0])].concat());
        assert_eq!((vxlan.kind, vxlan.network), (DeviceKind::Tunnel, Some(network(Tunnel::Vxlan, 7))));
        assert_eq!(described(b"vxlan\0", &[id.clone(), attribute(25, &[1])].concat()).network, None);
        assert_eq!(described(b"geneve\0", &id).network, Some(network(Tunnel::Geneve, 7)));
        assert_eq!(described(b"geneve\0", &[id, attribute(6, &[])].concat()).network, None);
        let key = attribute(4, &9_u32.to_be_bytes());
        let keyed = [attribute(2, &GRE_KEY.to_be_bytes()), key.clone()].concat();
        assert_eq!(described(b"gretap\0", &keyed).network, Some(network(Tunnel::Gre, 9)));
        assert_eq!(described(b"gre\0", &key).network, Some(0), "a key that is not used");
        assert_eq!(described(b"ipip\0", &[]).network, Some(0));
    }

    #[test]
    fn what_is_cut_short_is_read_without_harm() {
        let whole =
            [attribute(KIND, b"vxlan\0"), attribute(DATA, &attribute(1, &7_u32.to_ne_bytes()))].concat();
        for end in 0..whole.len() {
            describe(&mut Device::default(), &whole[..end]);
        }
    }
}
