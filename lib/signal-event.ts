/** How EventBridge knows a signal; what publishes them says the same. */
export const signalEventSource = 'tapeline';
export const signalEventType = 'tapeline.signal.v1';
