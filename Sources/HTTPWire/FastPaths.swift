internal import CHTTPWire

/// The switch for fast paths: code that handles the usual case and leaves all other input to a general, stricter path.
///
/// The environment variable `TANDEM_FAST_PATHS=off` turns the fast paths off, so that a test run can show that the general paths
/// behave the same.
package enum FastPaths {
    /// Whether fast paths are on. The environment is read once per process.
    package static let isEnabled = tandem_wire_fast_paths()
}
