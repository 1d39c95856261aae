internal import CHTTPWire

/// The switch for code that handles the usual case and leaves everything else to a general, stricter path.
///
/// The environment variable `TANDEM_FAST_PATHS=off` turns the fast paths off, so that a test run shows whether the general
/// paths behave alike.
package enum FastPaths {
    /// Whether fast paths are on. The environment is read once per process.
    package static let isEnabled = tandem_wire_fast_paths()
}
