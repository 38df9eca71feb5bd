/** Plain numbers of one controller; the server's /metrics reads them. */
export interface ControllerMetrics {
  passes: number;
  errors: number;
  /** Keys that wait for a pass, without those that wait for a time. */
  depth: number;
  running: number;
  latencyMsSum: number;
  latencyMsMax: number;
  /** 1 while this process leads the controller. */
  leading: number;
  events: number;
  eventsDropped: number;
}

export const newMetrics = (): ControllerMetrics => ({
  passes: 0,
  errors: 0,
  depth: 0,
  running: 0,
  latencyMsSum: 0,
  latencyMsMax: 0,
  leading: 0,
  events: 0,
  eventsDropped: 0,
});
