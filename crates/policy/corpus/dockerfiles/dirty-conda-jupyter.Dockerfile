FROM jupyter/base-notebook:latest
USER root
RUN conda install numpy pandas scikit-learn
RUN conda install -y -c conda-forge jupyterlab=3
RUN pip install torch torchvision && pip install --upgrade pip
RUN jupyter labextension install @jupyter/x
RUN wget https://downloads.example.org/miniconda/Miniconda3-latest-Linux-x86_64.sh && bash Miniconda3-latest-Linux-x86_64.sh -b
