import Glibc
import Tandem
import TandemPatch

/// The sample of docs/legacy-code.md.  // hidden
func sample() throws {  // hidden
    try TandemPatch.install()
    try Hub.run {
        let one = spawn { usleep(200_000) }
        let other = spawn { usleep(200_000) }
        _ = try await one.wait()
        _ = try await other.wait()  // 200 ms later, not 400 ms
    }
}  // hidden
