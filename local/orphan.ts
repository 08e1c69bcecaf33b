/**
 * Ends this process when the launcher that started it is gone, also when the launcher was killed: their channel closes then. Imported for
 * that effect; does nothing in a process that has no launcher.
 */
if (process.channel) {
  process.once('disconnect', () => process.exit(137));
  // The listener must not keep a process alive whose work is done.
  process.channel.unref();
}
