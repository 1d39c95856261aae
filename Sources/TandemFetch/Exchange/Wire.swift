/// The carrier of a request and its response: a connection, a connection that is being made, or an HTTP/2 stream.
///
/// A wire reports to its transfer what arrives, and how it ends. Used only on the hub's thread.
protocol Wire: AnyObject {
    /// Continues to receive, because there is room again.
    func resumeReceiving()
    /// Continues to send, because the upload has more bytes or has ended.
    func resumeSending()
    /// Gives up the request, whose transfer has ended. Closes the connection, or resets the stream.
    func abandon()
}
