/// The version of the daemon, as `tandemd version` prints it.
public let tandemVersion = "0.1.0"
