internal import Glibc

/// The sockets that libcurl has opened and not closed.
///
/// If a connection is cancelled while it is being made, libcurl 7.88 sometimes closes its socket without calling the close
/// callback (curl issue 11439). Such a socket is recognized later: its number is free, or belongs to another file.
struct OpenSockets {
    private var inodes: [CInt: ino_t] = [:]
    /// The number of sockets at which `opened` looks for sockets that libcurl has closed without a callback.
    private var most = 64

    var count: Int { inodes.count }

    /// Adds a socket that has just been opened. Returns how many others turned out to be closed.
    mutating func opened(_ fd: CInt) -> Int {
        // If the number is known, the earlier socket has been closed: the kernel reuses only free numbers.
        var forgotten = inodes.removeValue(forKey: fd) == nil ? 0 : 1
        if inodes.count >= most {
            forgotten += dropForgotten()
            most = max(64, inodes.count * 2)
        }
        inodes[fd] = OpenSockets.inode(of: fd)
        return forgotten
    }

    /// Removes a socket that is about to be closed. Returns whether it was known.
    mutating func closing(_ fd: CInt) -> Bool { inodes.removeValue(forKey: fd) != nil }

    /// Removes the sockets that have been closed without a callback. Returns their number.
    mutating func dropForgotten() -> Int {
        let before = inodes.count
        inodes = inodes.filter { OpenSockets.inode(of: $0.key) == $0.value }
        return before - inodes.count
    }

    /// Returns the inode of a descriptor, or 0 if the number is free.
    private static func inode(of fd: CInt) -> ino_t {
        var status = stat()
        return fstat(fd, &status) == 0 ? status.st_ino : 0
    }
}
