/// Where a request goes out and its answer comes in: a connection, one that is being made, or a stream of HTTP/2.
///
/// A wire tells its transfer what arrives and how it ends. Every call is made on the hub's thread.
protocol Wire: AnyObject {
    /// There is room again for what arrives.
    func resumeReceiving()
    /// The upload has more to send, or its end.
    func resumeSending()
    /// Gives up the request, whose transfer has ended: closes the connection, or resets the stream.
    func abandon()
}
