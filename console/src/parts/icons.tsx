// Small pictures beside words. They say nothing that the words do not say.
const PATHS = {
  verify: "M4 8V6a2 2 0 0 1 2-2h2M16 4h2a2 2 0 0 1 2 2v2M20 16v2a2 2 0 0 1-2 2h-2M8 20H6a2 2 0 0 1-2-2v-2M8.5 12.5l2.500 2.500 4.500-5.500",
  compare: "M4 5h6v14H4zM14 5h6v14h-6zM7 10v.01M17 10v.01M6 16c.6-1.500 1.400-1.500 2 0M16 16c.6-1.500 1.400-1.500 2 0",
  requests: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  clients: "M4 20V8l8-4 8 4v12M4 20h16M9 20v-5h6v5M9 10h.01M15 10h.01",
  people: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20c1-4 4.500-5 8-5s7 1 8 5",
  trail: "M9 7a3 3 0 1 1 3 3 3 3 0 0 1-3-3zM12 10v4M9 17a3 3 0 1 0 3-3 3 3 0 0 0-3 3z",
  enrolment: "M5 5h14v4H5zM5 11h14v4H5zM5 17h8M17 16v5M14.500 18.500h5",
  models: "M12 3l8 4.500v9L12 21l-8-4.500v-9zM4 7.500l8 4.500 8-4.500M12 12v9",
  operators: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 19c.8-3.500 3.200-4.500 6-4.500M16 12l4 1.500v3c0 2-1.700 3.500-4 4.500-2.300-1-4-2.500-4-4.500v-3z",
  health: "M3 12h4l2.500-6 4 12 2.500-6h5",
  menu: "M4 6h16M4 12h16M4 18h16",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 16.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z",
  upload: "M12 16V5M7.500 9.500L12 5l4.500 4.500M5 19h14",
  close: "M6 6l12 12M18 6L6 18",
  print: "M7 8V4h10v4M7 17H4V8h16v9h-3M7 14h10v6H7z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="17" height="17" fill="none" stroke="currentColor" stroke-width="1.8"
      stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
