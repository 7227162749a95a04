//! The chart of Helm, packed as helm does, and where its parts are.

use std::path::Path;

use super::tools::{gzip, read, write};
use super::tree::Tree;
use super::{Release, below, tar};
use crate::error::Error;
use crate::project::Project;

/// The chart, in the checkout.
pub(crate) const CHART: &str = "packaging/helm/weir";
/// The same without Helm: what it makes of its default values.
pub(crate) const MANIFESTS: &str = "packaging/kubernetes/weir.yaml";

/// Writes the package, which no helm is needed for.
pub(super) fn write_package(project: &Project, release: &Release, directory: &Path) -> Result<(), Error> {
    let chart = project.root().join(CHART);
    let mut files = Tree::default();
    for path in below(&chart)? {
        files.file(&path, read(&chart.join(&path))?);
    }
    let bytes = gzip(&tar::archive(&files, "weir/", release.time), &directory.join("scratch"))?;
    write(&directory.join(format!("weir-chart-{}.tgz", release.version)), &bytes)
}
