// The reference below the form follows the kind that is chosen in it.
document.addEventListener("change", (event) => {
  if (event.target.id !== "id_kind") return;
  const chosen = document.getElementById(`kind-${event.target.value}`);
  document.querySelectorAll(".gc-kinds details").forEach((kind) => { kind.open = kind === chosen; });
});
