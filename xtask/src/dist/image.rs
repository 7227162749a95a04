//! The image for containers: one layer with the static program and certificates, as an OCI layout (image-spec 1.0) and
//! as the archive that `docker load` and `podman load` read. No daemon is asked, and the bytes are the same each time.

use std::path::Path;

use serde_json::{Value, json};

use super::tools::{gzip, read, sha256, write};
use super::tree::Tree;
use super::{Release, tar};
use crate::error::Error;

/// Who it runs as unless told otherwise: a number that nobody has (docs/rights.md).
const USER: &str = "65530:65530";
/// Where certificates are looked for in the image.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// Debian's package `ca-certificates` has them there.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `vfs_cap_data` of revision 2 (include/uapi/linux/capability.h): `CAP_NET_ADMIN` (12), `CAP_PERFMON` (38) and
/// `CAP_BPF` (39) may be held. Not in effect at once: the program raises what it holds, and one that needs none, such
/// as `weir pcap`, starts where none is granted.
fn capability() -> Vec<u8> {
    let words: [u32; 5] = [0x0200_0000, 1 << 12, 0, 1 << (38 - 32) | 1 << (39 - 32), 0];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Writes both forms, and says what their files are called.
pub(crate) fn write_image(
    release: &Release,
    program: &[u8],
    licences: &Tree,
    directory: &Path,
) -> Result<[String; 2], Error> {
    let mut files = licences.clone();
    files.program("usr/bin/weir", program);
    files.capability("usr/bin/weir", capability());
    files.file(CERTIFICATES, read(Path::new(BUNDLE))?);
    files.file("etc/passwd", "root:x:0:0:root:/:/\nweir:x:65530:65530:Weir:/:/\n");
    files.file("etc/group", "root:x:0:\nweir:x:65530:\n");
    files.directory("tmp", 0o1777);
    files.directory("run", 0o755);
    let scratch = directory.join("image.scratch");
    let plain = tar::archive(&files, "", release.time);
    let layer = gzip(&plain, &scratch)?;
    let digest = |bytes: &[u8]| sha256(bytes, &scratch);
    let config = json!({
        "architecture": release.arch.debian(),
        "os": "linux",
        "created": release.date(),
        "config": {
            "User": USER,
            "Env": ["PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
            "Entrypoint": ["/usr/bin/weir"],
            "Cmd": ["run"],
            "ExposedPorts": { "10058/tcp": {} },
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "weir",
                "org.opencontainers.image.version": release.version,
                "org.opencontainers.image.revision": release.commit,
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(&plain)?)] },
        "history": [{ "created": release.date(), "created_by": "cargo xtask dist" }],
    })
    .to_string();
    let reference = format!("weir:{}", release.version);
    let names = ["oci.tar", "docker.tar"]
        .map(|form| format!("weir-{}-{}.{form}", release.version, release.arch.as_str()));
    let blob = |kind: &str, bytes: &[u8]| -> Result<Value, Error> {
        let media = format!("application/vnd.oci.image.{kind}");
        Ok(json!({ "mediaType": media, "digest": format!("sha256:{}", digest(bytes)?), "size": bytes.len() }))
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", config.as_bytes())?,
        "layers": [blob("layer.v1.tar+gzip", &layer)?],
    })
    .to_string();
    let mut index = blob("manifest.v1+json", manifest.as_bytes())?;
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": release.version });
    index["platform"] = json!({ "architecture": release.arch.debian(), "os": "linux" });
    let index = json!({ "schemaVersion": 2, "manifests": [index] }).to_string();

    let mut layout = Tree::default();
    layout.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    layout.file("index.json", index);
    for bytes in [config.as_bytes(), manifest.as_bytes(), &layer] {
        layout.file(&format!("blobs/sha256/{}", digest(bytes)?), bytes);
    }
    write(&directory.join(&names[0]), &tar::archive(&layout, "", release.time))?;

    let mut docker = Tree::default();
    let (config_name, layer_name) = (format!("{}.json", digest(config.as_bytes())?), "layer.tar");
    let list = json!([{ "Config": config_name, "RepoTags": [reference], "Layers": [layer_name] }]);
    docker.file("manifest.json", list.to_string());
    docker.file(&config_name, config);
    docker.file(layer_name, plain);
    write(&directory.join(&names[1]), &tar::archive(&docker, "", release.time))?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_may_hold_three_capabilities_and_has_none_in_effect() {
        let bytes = capability();
        assert_eq!(bytes.len(), 20);
        assert_eq!(
            bytes[0] & 1,
            0,
            "the effective flag would keep it from starting where one is not granted"
        );
        assert_eq!((bytes[4], bytes[5], bytes[12]), (0, 0x10, 0xc0));
    }
}
