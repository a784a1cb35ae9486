"""Package genvision: honest ranges here, exact pins with hashes in requirements.lock."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

TOP_LEVEL = ("pipeline", "components", "trainer", "serving")

# One line, as site-packages asks for; it must never break the start of an unrelated Python program.
PTH_NAME = "genvision_tfx.pth"
PTH = r"""import sys; exec('try:\n from pipeline.cluster.plugin import install\nexcept ImportError:\n pass\nelse:\n install()')
"""  # noqa: E501


class BuildWithPth(build_py):
    """Puts the file that gives the `tfx` command its Kubeflow engine into the wheel."""

    def run(self):
        """Build, then add the file."""
        super().run()
        if not self.editable_mode:
            Path(self.build_lib, PTH_NAME).write_text(PTH, encoding="utf-8")

    def get_outputs(self, include_bytecode=1):
        """List what was built."""
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib, PTH_NAME))]


class EditableWithPth(editable_wheel):
    """The same for an editable installation, which copies no package."""

    def _install_namespaces(self, installation_dir, pth_prefix):
        super()._install_namespaces(installation_dir, pth_prefix)
        Path(installation_dir, PTH_NAME).write_text(PTH, encoding="utf-8")


setup(
    name="genvision",
    version="0.1.0",
    description="TFX and Kubeflow pipeline for image generation and captioning",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.12",  # kfp 2.16 stops at 3.11; the override wheels exist up to 3.11
    packages=find_packages(include=[p for name in TOP_LEVEL for p in (name, f"{name}.*")]),
    package_data={
        "pipeline": ["configs/*.yaml", "configs/beam/*.yaml", "history/templates/*"],
        "serving": ["messages.binpb", "compose.yaml", "k8s/**/*"],
        "components": ["schemas/*.pbtxt", "metrics/weights/*", "evaluator/templates/*"],
    },
    install_requires=[
        "apache-beam>=2.77,<2.78",
        "click>=8.1",
        "cronsim>=2.8,<3",
        "grpcio>=1.74",
        "grpcio-health-checking>=1.74,<1.81",
        "grpcio-reflection>=1.74,<1.81",  # newer ones ask for protobuf 7, TFX for 6
        "importlib_resources",  # tensorflow-datasets needs it and does not say so
        "jinja2>=3.1",
        "kfp>=2.16.1,<2.17",
        "kfp-kubernetes>=2.16.1,<2.17",
        "kubernetes>=26,<27",  # kfp and tfx bring it too; tfx allows no newer one
        "matplotlib>=3.9",
        "numpy>=2,<2.5",
        "pillow>=11",
        "prometheus-client>=0.22",
        "pydantic>=2.10,<3",
        "pyyaml>=6",
        "scikit-learn>=1.5",
        "threadpoolctl>=3",
        "tensorboard>=2.20",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.9,<5",
        "tensorflow-serving-api>=2.19,<2.20",  # tfx-bsl allows no newer one
        "tfx>=1.21,<1.22",
        "tqdm>=4.67",
    ],
    extras_require={
        "dev": [
            "apprise>=1.9",
            "import-linter>=2.5",
            "ipykernel>=6",
            "kubernetes-validate>=1.33",
            "mkdocs>=1.6",
            "mlflow-skinny>=3,<4",
            "mypy>=2",
            "nbclient>=0.10",
            "nbformat>=5",
            "promql-parser>=0.5",
            "pytest>=9",
            "pytest-timeout>=2.4",
            "ruff>=0.17",
            "scipy>=1.14",
            "types-PyYAML",
        ],
        "mlflow": ["mlflow-skinny>=3,<4"],
        "notify": ["apprise>=1.9"],  # how a run on the cluster ended, to chat or mail
        # For the test that holds our Inception network against pytorch-fid's; in no lock file.
        "torch": ["pytorch-fid>=0.3,<0.4", "torch>=2.13,<3", "torchvision>=0.28,<1"],
        "cuda": ["tensorflow[and-cuda]>=2.21,<2.22"],
    },
    cmdclass={"build_py": BuildWithPth, "editable_wheel": EditableWithPth},
    entry_points={"console_scripts": ["genvision=pipeline.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
